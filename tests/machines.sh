# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # tests/check, which sources this, uses them
# The lab's machines that tests/check runs, and what runs on each.

# name | lab options | what the machine has (tests/e2e/cases.h) | what runs there (tests/in-lab); without it: the end-to-end
# tests; without the third column, too: that
gbm='--env VIRGL_GBM_LAYOUT_FORCE_ENABLE=1'
all_exporters='--modules kvm-amd,vgem,virtio-gpu --device ivshmem'
arm_exporters='--modules vgem,virtio-gpu,vfio-pci --device ivshmem,edu'
for_modules='--env S2VMM_STRESS_PERCENT=20 --one-thread --modules vgem --cpu none --cpus 2 --device ivshmem'
guests='--linux-guest=6.12,6.1,7.2,7.3'
hostile='--env S2VMM_CASE=hostile-*'
# What the architecture, the library or the user makes a difference for.
arm_linux_cases='--env S2VMM_CASE=boot-7.2,arm64-linux*,linux-blob-*,linux-map-info-wc,linux-disk-pci'
more_linux_cases='--env S2VMM_CASE=boot-6.1,boot-7.3,boot-large,boot-unpacked,linux-display*,linux-guest-blob,linux-lives,linux-server-dies,linux-map-info-none,linux-disks-readonly,linux-disk-fails,linux-console-slow,linux-seeds,linux-input-serial,linux-resize-pci,linux-reboot,linux-panic'
arm_suites=vm,vm_state,lent_users,vm_arm64,kvm,memslot,backing,vma_info,gpu_3d,placement,touch,platform,s2_observer,guest_memory,hostmem,sandbox,pl011,device_tree
library_cases='--env S2VMM_CASE=blob-*,virgl*,lie-*,opaque*,contexts,capsets,fences,s2-of-virgl-buffer,leftovers,no-render-server,probe'
user_cases='--env S2VMM_CASE=user-*,blob-shm,blob-venus,virgl-*,guest-blob-*,s2-*,sandbox-*,disk,probe,matrix,fences,smp-4,leftovers'
fwb_cases='--env S2VMM_CASE=arm64-*,blob-*,s2-*,side-by-side,refuse-*,hole*,gbm-*,virgl*,fences,smp-4,server-dies-reset,hostile-1,guest-*,interrupt,leftovers'
nvhe_cases='--env S2VMM_CASE=arm64-*,first-write-*,blob-*,refuse-*,hole*,s2-*,interrupt,leftovers,window-full,virtio-reset,hostile-1'
update_cases='--env S2VMM_CASE=update,update-devices,update-refuses,linux-update-pci'
process_cases='--env S2VMM_CASE=process-blob-venus,process-blob-wc,process-fences,process-dies-reset'
arm_update_cases='--env S2VMM_CASE=update,update-devices,update-gpu,update-smp,update-dies-late,linux-update-pci'
vfio_cases='--env S2VMM_CASE=vfio-*,foreign-buffers-vfio'
memfd_cases='--env S2VMM_CASE=guest-memfd-*,foreign-*'
# Cases that take minutes: of these patterns, what no machine of the tables below runs is run by those of "more".
more_cases='update-* linux-update-* guest-memfd-* process-* *?over?PCI *?with?slots'
vfio_x86='--modules kvm-amd,vfio-pci,vfio_iommu_type1 --device ivshmem,edu --linux-guest'
vfio_arm64='--modules vfio-pci,vfio_iommu_type1 --device ivshmem,edu --linux-guest'
load_x86="--tree forky --kernel 6.12 --modules kvm-amd,vgem,vfio-pci,vfio_iommu_type1 --device ivshmem,edu --linux-guest $gbm"
load_arm64="--tree forky --kernel 7.2 --cpu nofwb --modules vgem,vfio-pci,vfio_iommu_type1 --device ivshmem,edu --linux-guest $gbm"
short_load='--env S2VMM_CASE=linux-update-short,update-process'
long_load='--env S2VMM_CASE=linux-update-load,linux-update-process'
lab_x86='--modules kvm-amd,vgem,dmabuf-info,dmabuf-lab --device ivshmem'
lab_arm64='--modules vgem,dmabuf-info,dmabuf-lab --device ivshmem'
lab_machines_x86="
linux-6.12    | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm $guests | kvm,x86,venus,virgl,dmabuf,gbm,hardware,npt,s2,+linux
mesa-6.12     | --tree trixie   --kernel 6.12 --linux-guest --guest-disk trixie --memory 3G | kvm,x86,venus,virgl,dmabuf,linux,+image
unit-lab      | --tree trixie   --kernel 6.12 --modules kvm-amd,vgem        | unit-tests:kvm,vm,vm_state,vm_state_x86,vm_x86,memslot,backing,vma_info,gpu_3d,placement,touch,platform,platform_x86,s2_observer,gpu_state,gpu_state_damage,lent_users
trixie-6.12   | --tree trixie   --kernel 6.12 --modules kvm-amd,vgem        | kvm,x86,venus,virgl,dmabuf,hardware,npt,s2,no-gbm,no-info,no-guest-memfd
forky-6.12    | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm   | kvm,x86,venus,virgl,dmabuf,+gbm,hardware,npt,s2
forky-shadow  | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm --cpu amd-shadow | kvm,x86,venus,gbm,hardware,+shadow
bookworm-6.12 | --tree bookworm --kernel 6.12 --modules kvm-amd             $library_cases | kvm,x86,venus,virgl,hardware,npt,lie
trixie-6.1    | --tree trixie   --kernel 6.1  --modules kvm-amd             | kvm,x86,venus,hardware,npt,s2,+opaque
gbm-6.12      | --tree trixie   --kernel 6.12 --modules kvm-amd,vgem,virtio-gpu | kvm,x86,no-info,npt,s2,+virtio-gpu
user-7.2      | --tree trixie   --kernel 7.2  --modules kvm-amd,vgem        $user_cases | kvm,x86,venus,virgl,dmabuf,hardware,npt,no-gbm,user | user:e2e-tests
no-kvm        | --tree trixie   --kernel 6.12 --modules vgem --cpu none     | no-kvm
modules-7.2   | --tree trixie   --kernel 7.2  $for_modules                  | modules:build/modules/7.2
lab-6.12      | --tree trixie   --kernel 6.12 $lab_x86 | kvm,x86,hardware,npt,s2,+lab-modules
lab-7.2       | --tree trixie   --kernel 7.2  $lab_x86 | kvm,x86,hardware,npt,s2,+lab-modules,pci,slot | e2e-tests+experiments:npt-7.2+matrix-lab
lab-shadow    | --tree trixie   --kernel 7.2  $lab_x86 --cpu amd-shadow     | matrix-lab
npt-7.2       | --tree trixie   --kernel 7.2  $all_exporters                | matrix
shadow-7.2    | --tree trixie   --kernel 7.2  $all_exporters --cpu amd-shadow | matrix
process-6.12  | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm $process_cases | kvm,x86,venus,virgl,dmabuf,gbm,hardware,npt,+process
update-6.12   | --tree trixie   --kernel 6.12 --modules kvm-amd --linux-guest $update_cases | kvm,x86,venus,hardware,npt,linux,+update
vfio-6.12     | --tree trixie   --kernel 6.12 $vfio_x86 $vfio_cases         | kvm,x86,venus,hardware,linux,+vfio | vfio:unit-tests:vfio_kernel,vfio_update+e2e-tests
load-6.12     | $load_x86 $short_load | kvm,x86,venus,virgl,dmabuf,gbm,hardware,npt,linux,vfio,process,+update | vfio:e2e-tests
"
lab_machines_arm64="
arm-linux     | --tree forky  --kernel 7.2  --cpu nofwb   --modules vgem $gbm $guests $arm_linux_cases | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,nofwb,+linux
arm-library   | --tree trixie --kernel 7.2  --cpu none                         | library-tests
arm-unit      | --tree trixie --kernel 7.2  --cpu nofwb   --modules vgem | unit-tests:$arm_suites
arm-fwb       | --tree forky  --kernel 7.2  --cpu fwb-dic --modules vgem $gbm $fwb_cases | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,fwb
arm-nofwb     | --tree forky  --kernel 7.2  --cpu nofwb   --modules vgem $gbm --env S2VMM_CASE=arm64-*,s2-of-*,side-by-side | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,nofwb,strict
arm-nvhe      | --tree trixie --kernel 6.12 --cpu nvhe    --modules vgem       $nvhe_cases | kvm,arm64,venus,dmabuf,hardware,s2,nofwb,pci,slot
arm-hazard    | --tree trixie --kernel 6.12.107 --cpu nofwb                      | hazard
arm-gicv2     | --tree trixie --kernel 6.12 --cpu nvhe    --gic 2              | kvm,arm64,venus,+gicv2
arm-gbm       | --tree trixie --kernel 7.2  --cpu fwb-dic --modules vgem,virtio-gpu | kvm,arm64,no-info,s2,+virtio-gpu
arm-linux-fwb | --tree forky  --kernel 7.2  --cpu fwb-dic --modules vgem $gbm --linux-guest | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,+fwb,+linux
arm-modules-7.2  | --tree trixie --kernel 7.2  $for_modules | modules:build/modules/arm64-7.2
lab-fwb-dic-7.2 | --tree trixie --kernel 7.2 --cpu fwb-dic $lab_arm64 | kvm,arm64,hardware,s2,fwb,+lab-modules   | e2e-tests+experiments:fwb-7.2+matrix-lab
lab-nofwb-7.2   | --tree trixie --kernel 7.2 --cpu nofwb   $lab_arm64 | kvm,arm64,hardware,s2,nofwb,+lab-modules | e2e-tests+experiments:nofwb-7.2+matrix-lab
fwb-dic-7.2   | --tree trixie --kernel 7.2  --cpu fwb-dic $arm_exporters       | matrix
nofwb-7.2     | --tree trixie --kernel 7.2  --cpu nofwb   $arm_exporters       | matrix
arm-vfio      | --tree trixie --kernel 7.2  --cpu fwb-dic $vfio_arm64 $vfio_cases | kvm,arm64,venus,hardware,linux,+vfio | vfio:unit-tests:vfio_kernel,vfio_update+e2e-tests
block-hazard  | --tree trixie --kernel 6.12.107 --cpu nofwb $arm_exporters     | matrix
"
# The same cases on further machines, the tiny guest's over virtio-pci and with slots, and $more_cases.
lab_machines_more_x86="
trixie-7.2    | --tree trixie   --kernel 7.2  --modules kvm-amd,vgem        | kvm,x86,venus,virgl,dmabuf,hardware,npt,s2,no-gbm,no-info,pci,slot
forky-7.2     | --tree forky    --kernel 7.2  --modules kvm-amd,vgem $gbm   | kvm,x86,venus,virgl,dmabuf,+gbm,hardware,npt,s2,pci,slot
shadow-pci    | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm --cpu amd-shadow | kvm,x86,venus,gbm,hardware,+shadow,pci,slot
bookworm-pci  | --tree bookworm --kernel 6.12 --modules kvm-amd             | kvm,x86,venus,virgl,hardware,npt,+lie,pci,slot
opaque-pci    | --tree trixie   --kernel 6.1  --modules kvm-amd             | kvm,x86,venus,hardware,npt,s2,+opaque,pci,slot
gbm-pci       | --tree trixie   --kernel 6.12 --modules kvm-amd,vgem,virtio-gpu | kvm,x86,no-info,npt,s2,+virtio-gpu,pci,slot
process-more  | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm   | kvm,x86,venus,virgl,dmabuf,gbm,hardware,npt,+process
npt-6.12      | --tree trixie   --kernel 6.12 $all_exporters                | matrix
npt-6.1       | --tree trixie   --kernel 6.1  $all_exporters                | matrix
lab-7.3       | --tree trixie   --kernel 7.3  $lab_x86                      | matrix-lab
intel-6.12    | --kernel 6.12                                               | intel
modules-7.3   | --tree trixie   --kernel 7.3  $for_modules                  | modules:build/modules/7.3
modules-6.12  | --tree trixie   --kernel 6.12 $for_modules                  | modules:build/modules/6.12
update-7.2    | --tree trixie   --kernel 7.2  --modules kvm-amd --linux-guest | kvm,x86,venus,hardware,npt,linux,+update
load-more     | $load_x86 $long_load | kvm,x86,venus,virgl,dmabuf,gbm,hardware,npt,linux,vfio,process,+update | vfio:e2e-tests
guest-memfd-7.2 | --tree trixie --kernel 7.2  $vfio_x86 $memfd_cases        | kvm,x86,venus,hardware,linux,vfio,guest-memfd | vfio:unit-tests:guest_memfd+e2e-tests
vfio-x86-7.2  | --tree trixie   --kernel 7.2  $vfio_x86                     | kvm,x86,hardware,linux,+vfio | vfio:unit-tests:vfio_kernel,vfio_update+e2e-tests
intel-7.2     | --kernel 7.2                                                | intel
hostile-san   | --tree forky    --kernel 6.12 --modules kvm-amd,vgem $gbm $hostile | kvm,x86,venus,hardware,npt | san:e2e-tests
hostile-san-pci | --tree forky  --kernel 6.12 --modules kvm-amd,vgem $gbm $hostile | kvm,x86,venus,hardware,npt,pci,slot | san:e2e-tests
"
lab_machines_more_arm64="
arm-fwb-pci   | --tree forky  --kernel 7.2  --cpu fwb-dic --modules vgem $gbm  | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,+fwb,pci,slot
arm-strict-pci | --tree forky --kernel 7.2  --cpu nofwb   --modules vgem $gbm  | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,nofwb,+strict,pci,slot
arm-gbm-pci   | --tree forky  --kernel 7.2  --cpu nofwb   --modules vgem $gbm  | kvm,arm64,venus,virgl,dmabuf,+gbm,hardware,s2,nofwb,pci,slot
arm-hazard-pci | --tree trixie --kernel 6.12.107 --cpu nofwb                     | hazard,pci,slot
arm-gicv2-pci | --tree trixie --kernel 6.12 --cpu nvhe    --gic 2              | kvm,arm64,venus,+gicv2,pci,slot
lab-fwb-pci     | --tree trixie --kernel 7.2 --cpu fwb-dic $lab_arm64 | kvm,arm64,hardware,s2,fwb,+lab-modules,pci,slot
lab-nofwb-pci   | --tree trixie --kernel 7.2 --cpu nofwb   $lab_arm64 | kvm,arm64,hardware,s2,nofwb,+lab-modules,pci,slot
arm-linux-more| --tree forky  --kernel 7.2  --cpu nofwb   --modules vgem $gbm $guests $more_linux_cases | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,nofwb,+linux
fwb-dic-6.12  | --tree trixie --kernel 6.12 --cpu fwb-dic $arm_exporters       | matrix
nofwb-6.1     | --tree trixie --kernel 6.1  --cpu nofwb   $arm_exporters       | matrix
nvhe-7.2      | --tree trixie --kernel 7.2  --cpu nvhe    $arm_exporters       | matrix
fwb-7.2       | --tree trixie --kernel 7.2  --cpu fwb     $arm_exporters       | matrix
vfio-fwb-7.2  | --tree trixie --kernel 7.2  --cpu fwb-dic $arm_exporters       | matrix-vfio
qemu-11.1-fwb | --tree trixie --kernel 7.2  --cpu fwb     --qemu 11.1 $arm_exporters | matrix
arm-modules-7.3  | --tree trixie --kernel 7.3  $for_modules | modules:build/modules/arm64-7.3
arm-modules-6.12 | --tree trixie --kernel 6.12 $for_modules | modules:build/modules/arm64-6.12
arm-hostile-san | --tree forky --kernel 7.2 --cpu fwb-dic --modules vgem $gbm $hostile | kvm,arm64,venus,hardware,fwb | san:e2e-tests
arm-hostile-san-pci | --tree forky --kernel 7.2 --cpu nofwb --modules vgem $gbm $hostile | kvm,arm64,venus,hardware,nofwb,pci,slot | san:e2e-tests
nofwb-6.12    | --tree trixie --kernel 6.12 --cpu nofwb   $arm_exporters       | matrix
vfio-7.2      | --tree trixie --kernel 7.2  --cpu nofwb   $arm_exporters       | matrix-vfio
qemu-11.1     | --tree trixie --kernel 7.2  --cpu nofwb   --qemu 11.1 $arm_exporters | matrix
arm-unit-all  | --tree trixie --kernel 7.2  --cpu nofwb   --modules vgem,vfio-pci,vfio_iommu_type1 --device ivshmem,edu --env CK_FORK=no --env S2VMM_LIFETIME_STEPS=2000 | kvm,arm64 | vfio:unit-tests
arm-mesa      | --tree trixie --kernel 6.12 --cpu nofwb --linux-guest --guest-disk trixie --memory 3G | kvm,arm64,venus,virgl,dmabuf,linux,+image
lab-nofwb-6.12  | --tree trixie --kernel 6.12 --cpu nofwb  $lab_arm64                 | experiments:nofwb-6.12+matrix-lab
lab-fwb-dic-7.3 | --tree trixie --kernel 7.3 --cpu fwb-dic $lab_arm64                 | matrix-lab
lab-fwb-7.2     | --tree trixie --kernel 7.2 --cpu fwb     $lab_arm64                 | matrix-lab
fwb-dic-7.3   | --tree trixie --kernel 7.3  --cpu fwb-dic $arm_exporters       | matrix
fwb-6.12      | --tree trixie --kernel 6.12 --cpu fwb     $arm_exporters       | matrix
nofwb-7.3     | --tree trixie --kernel 7.3  --cpu nofwb   $arm_exporters       | matrix
arm-update    | --tree trixie --kernel 7.2  --cpu nofwb --modules vgem --linux-guest $arm_update_cases | kvm,arm64,venus,hardware,linux,+update
arm-load      | $load_arm64 $long_load,update-process | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,nofwb,linux,vfio,process,+update | vfio:e2e-tests
arm-process   | --tree forky  --kernel 7.2  --cpu nofwb --modules vgem $gbm | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,nofwb,+process
arm-guest-memfd | --tree trixie --kernel 7.2 --cpu nofwb $vfio_arm64 $memfd_cases | kvm,arm64,venus,hardware,linux,vfio,guest-memfd | vfio:unit-tests:guest_memfd+e2e-tests
arm-vfio-6.12 | --tree trixie --kernel 6.12 --cpu nofwb   $vfio_arm64          | kvm,arm64,hardware,linux,+vfio | vfio:unit-tests:vfio_kernel,vfio_update+e2e-tests
vfio-6.1      | --tree trixie --kernel 6.1  --cpu nofwb   $arm_exporters       | matrix-vfio
qemu-7.2      | --tree trixie --kernel 7.2  --cpu fwb     --qemu 7.2  $arm_exporters | matrix
"
# All cases where the tables above have some: only for who wants to wait.
lab_machines_all_x86="
user-7.2-all  | --tree trixie   --kernel 7.2  --modules kvm-amd,vgem        | kvm,x86,venus,virgl,dmabuf,hardware,npt,no-gbm,user | user:e2e-tests
bookworm-6.12-all | --tree bookworm --kernel 6.12 --modules kvm-amd             | kvm,x86,venus,virgl,hardware,npt,lie
lab-6.12-all  | --tree trixie   --kernel 6.12 $lab_x86 | kvm,x86,hardware,npt,s2,+lab-modules | e2e-tests+experiments:npt-6.12+matrix-lab
"
lab_machines_all_arm64="
arm-fwb-all   | --tree forky  --kernel 7.2  --cpu fwb-dic --modules vgem $gbm  | kvm,arm64,venus,virgl,dmabuf,gbm,hardware,s2,fwb
arm-nvhe-all  | --tree trixie --kernel 6.12 --cpu nvhe    --modules vgem       | kvm,arm64,venus,dmabuf,hardware,s2,nofwb,pci,slot
"
lab_machines_debug="
modules-debug | --tree trixie --kernel debug $for_modules --env S2VMM_STRESS_PERCENT=100 --env S2VMM_DMABUF_DEBUG=--dmabuf-debug | modules:build/modules/debug+no-complaint
lab-debug     | --tree trixie --kernel debug $lab_x86 | experiments:debug
"
own_series=${S2VMM_SERIES:+--series $S2VMM_SERIES}
series_row="--tree trixie --kernel patched $own_series ${S2VMM_SERIES:+--env S2VMM_SERIES=own} --device ivshmem"
lab_machines_series_x86="
series-x86    | $series_row --modules kvm-amd,vgem,virtio-gpu | series:build/modules/patched+matrix+no-complaint
"
lab_machines_series_arm64="
series-fwb    | $series_row --modules vgem,virtio-gpu --cpu fwb-dic | series:build/modules/arm64-patched+stage2+no-complaint
series-nofwb  | $series_row --modules vgem,virtio-gpu --cpu nofwb   | series:build/modules/arm64-patched+stage2+matrix+no-complaint
"
