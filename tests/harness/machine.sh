# Makes a machine out of this one, in namespaces of its own, and becomes its systemd.
#
#   $1   an empty folder for what it writes; nothing of it is left on this machine
#
# Files are this machine's below an overlay, devices the harmless ones, the network loopback alone.
set -eu
base=$1
ip link set lo up 2>/dev/null || ifconfig lo up
mount --make-rprivate /
mount -t tmpfs -o size=2g,mode=0700 machine "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root"
cd "$base/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
# What this machine has enabled is its own affair.
rm -rf etc/systemd/system/*.wants usr/sbin/policy-rc.d var/log/journal
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
echo machine >etc/hostname
printf '127.0.0.1 localhost machine\n::1 localhost\n' >etc/hosts
mkdir -p .this-machine
pivot_root . .this-machine
umount -l .this-machine
# What a child of systemd mounts is to be seen by the services, such as their credentials.
mount --make-rshared /
echo mounted
exec env -i container=relayd-tests PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=basic.target --log-target=journal --show-status=0
