#!/bin/sh
# What cargo calls in place of rustc for the workspace's own crates: see planted.sh.
exec "$@" --cfg planted
