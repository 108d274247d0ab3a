#!/usr/bin/env bash
# Fits one network to the labels of all three levels together and keeps the potential of def2-TZVP.
# bash recipe.sh [OUT [further options of iia train]]
# Expected errors anew, without a fit: iia train LABELS --test HELD_OUT --test-batch independent-wells --recalibrate -o MODEL
set -euo pipefail
labels=$(cd "$(dirname "$0")/../labels" && pwd)
iia train "$labels"/gfn1-xtb-*.npz.xz "$labels/pbe0-3-21g.npz.xz" "$labels/pbe0-def2-tzvp.npz.xz" \
    --target-level def2-TZVP --test "$labels/pbe0-def2-tzvp-held-out.npz.xz" --test-batch independent-wells \
    --kind vectors --softening 1 --angular 2 --attention none --interactions 3 --heads 16 --rbf 12 \
    -o "${1:-runs/seb-def2-tzvp}" --members 3 --epochs 60 --batch-size 16 --learning-rate 2e-3 --optimiser muon "${@:2}"
