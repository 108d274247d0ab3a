#!/usr/bin/env bash
# Fine-tunes the pretrained network on all PBE0/3-21G training labels.
# bash recipe.sh [OUT [further options of iia train]]
set -euo pipefail
labels=$(cd "$(dirname "$0")/../labels" && pwd)
iia train "$labels/pbe0-3-21g.npz.xz" --test "$labels/pbe0-3-21g-held-out.npz.xz" --from gfn1-directional \
    -o "${1:-runs/seb-10}" --members 3 --epochs 30 --batch-size 5 --learning-rate 4e-4 --optimiser muon \
    --validation-share 0.08 "${@:2}"
