#!/bin/sh
# The first process of a guest of kernels.sh, in its initial memory file system: mounts the root
# directory that the host shares, the disks, and the directory of the run, and runs the checks.
/bin/busybox mkdir -p /proc /sys /root /sbin
/bin/busybox --install -s /bin
# The kernel itself loads checksums by this name.
/bin/busybox ln -s /bin/busybox /sbin/modprobe
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
modprobe -a virtio_pci virtio_blk 9pnet_virtio 9p ext4 xfs btrfs
share=trans=virtio,version=9p2000.L,cache=loose,ro,msize=262144
if ! mount -t 9p -o "$share" root /root || ! mount -t 9p -o "$share" run /root/mnt; then
  poweroff -f
fi
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mount -t tmpfs -o mode=1777 tmpfs /root/tmp
mount_disk() {
  mkdir "/root/tmp/$1"
  mount -t "$1" "/root/dev/$2" "/root/tmp/$1" || rmdir "/root/tmp/$1"
}
mount_disk ext4 vda
mount_disk xfs vdb
mount_disk btrfs vdc
mkdir /root/tmp/tmpfs
chroot /root /bin/busybox sh /mnt/checks.sh
poweroff -f
