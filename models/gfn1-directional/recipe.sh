#!/usr/bin/env bash
# Pretrains the network on all GFN1-xTB labels: five epochs in small batches, then eight in larger ones.
# [LABELS=folder] bash recipe.sh [OUT [further options of iia train]]
set -euo pipefail
labels=${LABELS:-$(cd "$(dirname "$0")/../labels" && pwd)}
out=${1:-runs/gfn1-directional}
iia train "$labels"/gfn1-xtb-*.npz.xz -o "$out-first" --interactions 3 --angular 2 --directions convolution \
    --distance-logits --optimiser muon --epochs 5 --batch-size 10 --validation-share 0.03 "${@:2}"
iia train "$labels"/gfn1-xtb-*.npz.xz --from "$out-first" -o "$out" --optimiser muon --epochs 8 --batch-size 16 \
    --learning-rate 6e-4 --validation-share 0.03 "${@:2}"
