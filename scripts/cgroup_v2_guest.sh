#!/bin/sh
# The first process of the virtual machine that scripts/cgroup_v2.py starts. It mounts what a system has, gives the tests groups of
# several kinds, and prints a line for each run of them that begins with "cgroup-v2: PASS" or "cgroup-v2: FAIL"; the machine's end is its own.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root LANG=C.UTF-8
/bin/busybox mkdir -p /proc /sys /dev /tmp /root /run
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
ln -s /proc/self/fd /dev/fd
ip link set lo up
hostname guest
# As systemd mounts it.
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
for module in $(cat /modules/order); do
    insmod "$module"
done
# A place to swap to, so that swapped pages are counted for real.
echo 256M > /sys/block/zram0/disksize
mkswap /dev/zram0 > /dev/null && swapon /dev/zram0

root=/sys/fs/cgroup
echo "cgroup-v2: kernel $(uname -r), $(nproc) CPUs, $(grep MemTotal /proc/meminfo | tr -s ' '), controllers: $(cat $root/cgroup.controllers)"

# A new group below the root, with the memory controller; a user's if one is named.
group() {
    echo +memory > $root/cgroup.subtree_control
    mkdir "$root/$1"
    if [ -n "${2:-}" ]; then
        chown "$2" "$root/$1" "$root/$1/cgroup.procs" "$root/$1/cgroup.subtree_control" "$root/$1/cgroup.threads"
    fi
}

# Runs a script in a group (its path below the root) as a user, and says what came of it.
check() {
    began=$(cut -d' ' -f1 /proc/uptime)
    if sh -c "echo \$\$ > $root$2/cgroup.procs && exec su $3 -s /bin/sh -c 'exec sh $4'"; then
        verdict=PASS
    else
        verdict=FAIL
    fi
    ended=$(cut -d' ' -f1 /proc/uptime)
    echo "cgroup-v2: $verdict $1, $(echo "$ended $began" | awk '{ printf "%.1f", $1 - $2 }') s"
}

. /work/runs.sh

echo "cgroup-v2: end"
sync
poweroff -f
