#!/bin/sh
# A launcher for trainer trl: trains a job folder on a machine that SkyPilot rents, and brings it back.
#   training:
#     trainer: trl
#     launcher: sh /full/path/to/sky-train.sh {folder}
# SkyPilot copies the folder there and not back, so rsync does, every half minute for the bars and at the end;
# finished.json comes last. A machine that is forgotten goes down by itself when it has been idle for ten minutes.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
cluster=aftertune-train
fetch() { rsync -a --exclude=checkpoints --exclude=finished.json "$cluster:sky_workdir/" "$folder/"; }
trap 'kill "$follower" 2>/dev/null || true' EXIT
(while sleep 30; do fetch || true; done) >/dev/null 2>&1 &
follower=$!
sky launch --yes --cluster "$cluster" --idle-minutes-to-autostop 10 --down --workdir "$folder" --env HF_TOKEN "$here/sky-train.yaml"
fetch
rsync -a "$cluster:sky_workdir/finished.json" "$folder/"
sky down --yes "$cluster"
