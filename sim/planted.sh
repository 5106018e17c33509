#!/usr/bin/env bash
# Builds the simulation with all planted bugs (each asleep until chosen) and lets every one be found.
# Arguments go to `roadstead-sim planted`: names of bugs, --jobs N.
#
# `--cfg planted` goes to our own crates only, through cargo's wrapper for the workspace's members:
# dependencies are those of the usual build.
set -euo pipefail
cd "$(dirname "$0")/.."
wrapper=$PWD/sim/planted-rustc.sh
built=${CARGO_TARGET_DIR:-target}/sim
RUSTC_WORKSPACE_WRAPPER=$wrapper cargo build --quiet --profile sim -p roadstead-sim
cp -f "$built/roadstead-sim" "$built/roadstead-sim-planted"
# The usual build takes its name back.
cargo build --quiet --profile sim -p roadstead-sim
exec "$built/roadstead-sim-planted" planted "$@"
