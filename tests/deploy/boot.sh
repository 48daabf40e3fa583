#!/bin/bash
# PID 1 of new namespaces: lays the machine's root under a tmpfs, installs the unit there as its head says, and
# becomes systemd. Nothing is written to the machine's own disk, and all of it goes with this process.
# boot.sh PLACE UNITS REPOSITORY PREFIX BASE_PREFIX: an empty directory, the deployment files, the sources, and
# sys.prefix and sys.base_prefix of the interpreter to run them.
set -eu
place=$1 units=$2 repository=$3 prefix=$4 base=$5
root=$place/system

mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/scratch" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/scratch" "$root"

# What belongs to the kernel of the machine is only looked at.
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# The program in /opt, where ProtectHome and PrivateTmp hide nothing of it, whatever the sources' own place is.
mkdir -p "$root/opt/python" "$root/opt/packages" "$root/opt/sources/diag" "$root/opt/sources/flamegraph"
mount --bind "$base" "$root/opt/python"
mount --bind "$(echo "$prefix"/lib/python3*/site-packages)" "$root/opt/packages"
mount --bind "$repository/diag" "$root/opt/sources/diag"
mount --bind "$repository/flamegraph" "$root/opt/sources/flamegraph"
echo /opt/python/lib > "$root/etc/ld.so.conf.d/metadiag.conf"
chroot "$root" ldconfig
chroot "$root" /opt/python/bin/python3 -m venv --without-pip /opt/metadiag
printf '/opt/sources\n/opt/packages\n' > "$(echo "$root"/opt/metadiag/lib/python3*/site-packages)/metadiag.pth"
printf '#!/opt/metadiag/bin/python\nfrom diag.cli import main\nmain()\n' > "$root/opt/metadiag/bin/diag"
cp "$prefix/bin/py-spy" "$root/opt/metadiag/bin/py-spy"
chmod 755 "$root/opt/metadiag/bin/diag" "$root/opt/metadiag/bin/py-spy"

# As the unit's head says.
chroot "$root" useradd --system --home-dir /var/lib/metadiag metadiag
mkdir -p "$root/etc/metadiag"
cp "$units/metadiag.toml" "$root/etc/metadiag/metadiag.toml"
chroot "$root" install -m 640 -g metadiag /dev/null /etc/metadiag/tokens.toml
chroot "$root" chown root:metadiag /etc/metadiag/metadiag.toml
chroot "$root" chmod 640 /etc/metadiag/metadiag.toml
chroot "$root" /opt/metadiag/bin/diag token --name ops --role admin --file /etc/metadiag/tokens.toml > "$root/run/token"
cp "$units/metadiag.service" "$root/etc/systemd/system/metadiag.service"

# Of the machine's units only the journal and temporary files are started beside it.
find "$root"/lib/systemd/system/*.wants "$root"/etc/systemd/system/*.wants -mindepth 1 \
  -not -name 'systemd-journald*' -not -name systemd-tmpfiles-setup.service -delete
cat > "$root/etc/systemd/system/deployed.target" <<END
[Unit]
Wants=metadiag.service
AllowIsolate=yes
END

cd "$root"
mkdir -p old
pivot_root . old
umount -l old
exec env -i container=metadiag PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=deployed.target
