#!/bin/sh
# Removes the control group of a machine that has ended. Called in a mount namespace of its own.
# usage: sweep.sh FOLDER CGROUP    (FOLDER: any empty one, to see the control groups through)
set -eu
mount -t cgroup2 none "$1"
[ ! -d "$1$2" ] || find "$1$2" -depth -type d -exec rmdir {} +
