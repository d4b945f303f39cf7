/* SPDX-License-Identifier: MIT */
/*
 * An option ROM that starts a kernel in Bochs. The BIOS calls it, it reads the kernel and the
 * initrd from the first disk, sector by sector, and enters the kernel as PVH describes it
 * (Xen's docs/misc/pvh.pandoc, and linux/arch/x86/platform/pvh/head.S): no boot loader, no
 * decompression. The kernel uses the start information as its first stack, so the ROM copies
 * itself to RAM_BASE, where it is linked to, and goes on there.
 *
 * Defined by the caller: RAM_BASE, ROM_SIZE, KERNEL_BASE, KERNEL_SECTORS, KERNEL_ENTRY,
 * INITRD_BASE, INITRD_SECTORS, INITRD_SIZE, MEMORY_SIZE; a file `command_line` in the current
 * folder.
 */
#define VBE_INDEX   0x1ce /* Bochs' display interface: VBEExtensions of vgabios, vbe.h */
#define VBE_DATA    0x1cf
#define ATA         0x1f0 /* ATA-6, 7.2 to 7.15: data, +2 count, +3 to +5 LBA, +6 device, +7 command */
#define ATA_CONTROL 0x3f6
#define ATA_READ    0x20
#define ATA_BUSY    0x80
#define ATA_DATA    0x08
#define START_MAGIC 0x336ec578 /* linux/include/xen/interface/hvm/start_info.h */
#define RAM         1          /* types of memory: the same file, XEN_HVM_MEMMAP_TYPE_* */
#define RESERVED    2
#define TOP         0x100000 /* at the end of memory, for the BIOS' ACPI tables */

.macro vbe index, value
    mov $VBE_INDEX, %dx
    mov $\index, %ax
    out %ax, %dx
    mov $VBE_DATA, %dx
    mov $\value, %ax
    out %ax, %dx
.endm

.macro memory base, size, type
    .quad \base, \size
    .long \type, 0
.endm

    .code16
rom:
    .byte 0x55, 0xaa, ROM_SIZE / 512
    cli
    cld
    /* The display's BAR answers as memory only while a linear frame buffer is switched on. First
     * the display itself is switched off (attribute controller: no video; sequencer: reset), as
     * Bochs would try to show each write. */
    mov $0x3da, %dx
    in %dx, %al
    mov $0x3c0, %dx
    xor %al, %al
    out %al, %dx
    mov $0x3c4, %dx
    xor %ax, %ax
    out %ax, %dx
    vbe 1, 1024
    vbe 2, 768
    vbe 3, 8
    vbe 4, 0x41
    mov $(RAM_BASE >> 4), %ax
    mov %ax, %es
    mov %cs, %ax
    mov %ax, %ds
    xor %si, %si
    xor %di, %di
    mov $(ROM_SIZE / 4), %cx
    rep movsl
    /* A20 on, and protected mode */
    in $0x92, %al
    or $2, %al
    and $0xfe, %al
    out %al, $0x92
    lgdtl %cs:gdt_pointer - rom
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $8, $protected

    .code32
protected:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $RAM_BASE, %esp
    mov $ATA_CONTROL, %dx
    mov $2, %al /* no interrupts */
    out %al, %dx
    xor %ebx, %ebx
    mov $KERNEL_BASE, %edi
    mov $KERNEL_SECTORS, %ebp
    call read
    mov $INITRD_BASE, %edi
    mov $INITRD_SECTORS, %ebp
    call read
    mov $start_info, %ebx
    mov $KERNEL_ENTRY, %eax
    jmp *%eax

/* Reads ebp sectors from sector ebx on to edi; ebx and edi move on. */
read:
    mov $ATA + 2, %dx
    mov $1, %al
    out %al, %dx
    mov %ebx, %eax
    inc %dx
    out %al, %dx
    shr $8, %eax
    inc %dx
    out %al, %dx
    shr $8, %eax
    inc %dx
    out %al, %dx
    shr $8, %eax
    or $0xe0, %al
    inc %dx
    out %al, %dx
    inc %dx
    mov $ATA_READ, %al
    out %al, %dx
1:  in %dx, %al
    and $ATA_BUSY | ATA_DATA, %al
    cmp $ATA_DATA, %al
    jne 1b
    mov $ATA, %dx
    mov $128, %ecx
    rep insl
    inc %ebx
    dec %ebp
    jnz read
    ret

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* code, 32 bits, from 0 to 4 GiB */
    .quad 0x00cf93000000ffff /* data */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

    .balign 8
start_info:
    .long START_MAGIC, 1, 0, 1
    .long modules, 0, command_line, 0, 0, 0, memory_map, 0
    .long (memory_map_end - memory_map) / 24, 0
modules:
    .quad INITRD_BASE, INITRD_SIZE, 0, 0
memory_map:
    memory 0, 0x9f000, RAM
    memory 0xf0000, 0x10000, RESERVED
    memory 0x100000, (MEMORY_SIZE-TOP-0x100000), RAM
    memory (MEMORY_SIZE-TOP), TOP, RESERVED
memory_map_end:
command_line:
    .incbin "command_line"
    .byte 0
    .org ROM_SIZE - 1
    .byte 0 /* the checksum */
