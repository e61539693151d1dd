#!/bin/sh
# Boots a real systemd in a root of its own, beside the machine's: first process of new mount, pid, network, uts and ipc
# namespaces (machine.py calls unshare). Nothing it does can reach the machine:
# - mounts are private and made below ROOT, an empty folder; then ROOT becomes / and the machine's / is gone from view
# - the programs are bound read-only; /etc, /var, /run, /tmp, /dev are memory of the namespace's own
# - /proc/sys and /sys are read-only; control groups are a subtree of their own, seen through a cgroup namespace
# - of the distribution's units and generators none is visible, so no tmpfiles, sysctl, udev or getty can start
# usage: boot.sh ROOT PYTHON SITE SOURCE CGROUP    (stage two is called by stage one)
set -eu

if [ "$1" != two ]; then
    root=$1 cgroup=$5
    mount --make-rprivate /
    mount -t tmpfs -o mode=755,size=1g gen3sync-test "$root"
    mkdir -p "$root/cgroup"
    mount -t cgroup2 none "$root/cgroup"
    mkdir "$root/cgroup$cgroup"
    echo 0 >"$root/cgroup$cgroup/cgroup.procs"
    exec unshare --cgroup sh "$0" two "$@"
fi

root=$2 python=$3 site=$4 source=$5
umount "$root/cgroup"
rmdir "$root/cgroup"
cd "$root"
mkdir -p etc/systemd/system/multi-user.target.wants etc/gen3sync var/lib var/tmp var/log run/lock tmp dev/pts dev/shm \
    proc sys usr home root old srv/lab opt/python opt/site opt/source opt/gen3sync/bin
chmod 1777 tmp var/tmp

read_only() { # FROM TO
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
}
read_only /usr usr
for link in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$link" ]; then cp -P "/$link" "$link"
    elif [ -d "/$link" ]; then mkdir "$link" && read_only "/$link" "$link"; fi
done
read_only "$python" opt/python
read_only "$site" opt/site
read_only "$source" opt/source

# Programs of the distribution that a manager would start by itself.
for folder in system user system-generators user-generators system-environment-generators user-environment-generators; do
    if [ -d "usr/lib/systemd/$folder" ]; then mount -t tmpfs -o mode=755 none "usr/lib/systemd/$folder"; fi
done
cp "$source"/tests/system/units/system/* usr/lib/systemd/system/
cp "$source"/tests/system/units/user/* usr/lib/systemd/user/

# A virtual environment as docs/how-to/run-as-a-service.md has it.
interpreter=$(basename "$(ls -d opt/python/bin/python3.[0-9][0-9] | head -n 1)")
mkdir -p "opt/gen3sync/lib/$interpreter/site-packages"
ln -s "/opt/python/bin/$interpreter" opt/gen3sync/bin/python
printf 'home = /opt/python/bin\n' >opt/gen3sync/pyvenv.cfg
printf '/opt/source\n/opt/site\n' >"opt/gen3sync/lib/$interpreter/site-packages/gen3sync.pth"
printf '#!/opt/gen3sync/bin/python\nfrom gen3sync.cli import main\nmain()\n' >opt/gen3sync/bin/gen3sync
chmod 755 opt/gen3sync/bin/gen3sync

# An interpreter built with a shared library finds it at its new place; the distribution may have another of that name.
{ echo /opt/python/lib; cat /etc/ld.so.conf /etc/ld.so.conf.d/*.conf 2>/dev/null | grep '^/' || true; } >etc/ld.so.conf
chroot . /sbin/ldconfig -X
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\nann:x:1000:1000::/home/ann:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\nann:x:1000:\n' >etc/group
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost gen3sync-test\n' >etc/hosts
printf 'gen3sync-test\n' >etc/hostname
printf 'ID=test\nNAME=test\n' >etc/os-release
printf '[Journal]\nStorage=volatile\nReadKMsg=no\nRateLimitBurst=0\n' >etc/systemd/journald.conf
printf '[Manager]\nLogTarget=journal\nShowStatus=no\nDefaultTimeoutStopSec=10s\n' >etc/systemd/system.conf
install -d -o 1000 -g 1000 -m 700 home/ann run/user/1000

for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 none dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 none dev/shm
mount -t tmpfs -o mode=755 none run
install -d -o 1000 -g 1000 -m 700 run/user/1000
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 none sys/fs/cgroup
hostname gen3sync-test
ip link set lo up

pivot_root . old
umount -l /old
mount --make-rshared / # as a real machine has it; its peers are in here only
rmdir /old
exec env -i container=gen3sync-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=test.target
