/* SPDX-License-Identifier: MIT */
/*
 * The end-to-end cases: one table for every environment. A row says what it needs, how
 * s2vmm is called, and what must come out; the environment says what it has.
 */
#ifndef S2VMM_TESTS_E2E_CASES_H
#define S2VMM_TESTS_E2E_CASES_H

#include <stdbool.h>
#include <stdint.h>

#define CASE_TEXTS_MAX     10
#define CASE_ARGUMENTS_MAX 12
#define CASE_GUEST         "<guest>"  /* an argument: the path of the tiny guest */
#define CASE_SOCKET        "<socket>" /* an argument: --update-socket, with a path */
#define CASE_IMAGE         "<image>"  /* in an argument: the path of a file, see below */

/* What an environment may have. */
#define NEED(bit)            (UINT64_C(1) << (bit))
#define NEEDS_NOTHING        UINT64_C(0)
#define NEEDS_KVM            NEED(0) /* /dev/kvm that opens */
#define NEEDS_VENUS          NEED(1) /* libvirglrenderer and its render server */
/* venus memory becomes a dma-buf: /dev/udmabuf and a good Mesa */
#define NEEDS_DMABUF         NEED(2)
/* virgl textures become dma-bufs of vgem: virglrenderer 1.3 */
#define NEEDS_GBM            NEED(3)
/* KVM with interrupts, APs and exceptions: not the PVM flavour */
#define NEEDS_HARDWARE       NEED(4)
#define NEEDS_NPT            NEED(5) /* AMD nested paging: the guest's PAT counts */
#define NEEDS_S2             NEED(6) /* root and tracefs: the S2 leaf can be read */
/* virglrenderer 0.10.4 with Mesa 22.3: a memfd said to be a dma-buf */
#define NEEDS_LIE            NEED(7)
#define NEEDS_OPAQUE         NEED(8) /* no /dev/udmabuf: venus memory is OPAQUE */
/* a vgem node, and a libvirglrenderer that cannot use it */
#define NEEDS_NO_GBM         NEED(9)
/* shadow paging: the guest's PAT does not count */
#define NEEDS_SHADOW         NEED(10)
#define NEEDS_NO_KVM         NEED(11) /* no /dev/kvm */
#define NEEDS_VIRGL          NEED(12) /* an EGL for virgl, surfaceless; no dma-bufs */
#define NEEDS_X86            NEED(13)
#define NEEDS_ARM64          NEED(14)
#define NEEDS_FWB            NEED(15) /* arm64 with FEAT_S2FWB */
#define NEEDS_NO_FWB         NEED(16) /* arm64 without */
/* arm64, Linux 6.17 and newer, no FWB and DIC: KVM refuses memslots over cacheable
 * VM_PFNMAP mappings */
#define NEEDS_STRICT         NEED(17)
/* arm64, an interrupt controller of version 2 only */
#define NEEDS_GICV2          NEED(18)
/* /dev/kvm, and Linux for a guest in /run/lab/linux, with s2guest and the module pte-
 * reader (tests/lab/lab --linux-guest) */
#define NEEDS_LINUX          NEED(19)
/* arm64 with /dev/kvm, venus and udmabuf, and a kernel that maps blocks where there
 * are none (docs/memory-attributes.md) */
#define NEEDS_HAZARD         NEED(20)
/* root; the host modules dmabuf-info and dmabuf-lab, an ivshmem device, vgem and
 * udmabuf */
#define NEEDS_LAB_MODULES    NEED(21)
/* root, vgem and udmabuf, and not the module dmabuf-info */
#define NEEDS_NO_INFO        NEED(22)
/* no case needs it: all of the tiny guest's that have a GPU, and only they, run over
 * virtio-pci there */
#define NEEDS_PCI            NEED(23)
/* Linux for a guest as for NEEDS_LINUX, a user space for it in /run/lab/disk.img
 * (tests/lab/lab --guest-disk), and the programs of tests/linux */
#define NEEDS_IMAGE          NEED(24)
/* the module virtio-gpu with its device: /dev/dri/card1, where vgem is card0 */
#define NEEDS_VIRTIO_GPU     NEED(25)
#define NEEDS_SLOT           NEED(26) /* the same, with --map-strategy=slot */
/* the device edu at 0000:00:10.0, bound to vfio-pci */
#define NEEDS_VFIO           NEED(27)
/* not root; /dev/kvm, /dev/udmabuf and /dev/dri by its groups */
#define NEEDS_USER           NEED(28)
/* KVM's guest_memfd can be mapped: Linux 6.18 */
#define NEEDS_GUEST_MEMFD    NEED(29)
#define NEEDS_NO_GUEST_MEMFD NEED(30) /* it has none that can */
/* time for live updates: one machine of each architecture */
#define NEEDS_UPDATE         NEED(31)
/* time for the renderer in a process of its own: one machine of each architecture */
#define NEEDS_PROCESS        NEED(32)

/* A case with one of these has a Vulkan driver loaded. */
#define NEEDS_VULKAN (NEEDS_DMABUF | NEEDS_LIE | NEEDS_OPAQUE | NEEDS_HAZARD)

/* What the first scanout must show at the end, pixel by pixel. */
enum case_picture {
    PICTURE_ANY,     /* nothing is asked for */
    PICTURE_PATTERN, /* guest/linux/pattern.h: pattern_pixel() */
    PICTURE_CLEARED, /* PATTERN_CLEAR */
};

/* Who reads stdout. */
enum case_reader {
    READER_GOOD,
    READER_SLOW, /* of a pipe of one page: it begins when that is full for two seconds */
    READER_GONE, /* a pipe that nobody reads */
    READER_FULL, /* /dev/full */
};

/* What is looked at on the host while it runs: tests/e2e/host.h; or done: tests/e2e/server.h,
 * tests/e2e/update.h, tests/e2e/lent.h. */
enum case_watch {
    WATCH_NOTHING,
    WATCH_LEFTOVERS,
    WATCH_GREED, /* most_* */
    WATCH_SERVER_DIES,
    WATCH_PROCESS_DIES,
    WATCH_SERVER_STORM,
    WATCH_UPDATES, /* update_* */
    WATCH_LENT,
    WATCH_LENT_DEVICE,
};

struct e2e_case {
    const char *name;
    uint64_t needs;       /* NEEDS_* */
    const char *scenario; /* the guest's command line; NULL: no --append */
    int status;
    const char *environment;                   /* "NAME=VALUE", or NULL */
    const char *arguments[CASE_ARGUMENTS_MAX]; /* more of them, or a whole command */
    const char *out[CASE_TEXTS_MAX];           /* all of these are on stdout, ... */
    const char *err[CASE_TEXTS_MAX];           /* ... or on stderr */
    enum case_picture picture;

    /* Once stdout has the text `when`, this is written to stdin, and this signal sent. With
     * WATCH_UPDATES the input comes when the client has ended. */
    const char *when;
    const char *input;
    int signal;
    unsigned image_size; /* of CASE_IMAGE, bytes of zeroes; it is made for each run */
    bool image_is_used;  /* somebody else has locked it */
    unsigned
        image_space; /* of a file system for it alone, bytes; 0: there is enough. Needs root */
    unsigned image_cut; /* with `when`: it becomes that short; 0: it stays */
    enum case_reader reader;

    enum case_watch watch;
    unsigned most_descriptors; /* of the VMM */
    unsigned most_mib;         /* of memory, of the VMM and the render server */

    unsigned updates;          /* `s2vmm update --count` */
    const char *update_when;   /* once stdout has this text */
    const char *update_binary; /* a file of the build, or a path; NULL: s2vmm */
    int update_status;         /* exit status of the client */
    const char *update_says;   /* on its stdout or stderr */
    int update_signal; /* sent to the run two seconds after the updates; 0: none */
};

/* A JSON member as s2vmm writes it. */
#define SAYS(key, value) "\"" key "\":\"" value "\""
#define SAYS_YES(key)    "\"" key "\":true"
#define SAYS_NULL(key)   "\"" key "\":null"
#define SAW_EACH_OTHER   SAYS_YES("guest_saw_host_write"), SAYS_YES("host_saw_guest_write")

/* cases.c: those that any architecture can run, and x86's; cases_arm64.c: those of arm64;
 * cases_lab.c: those with the host modules of this project; cases_gpu.c: 3D, blobs of guest memory; cases_boot.c,
 * cases_linux.c: Linux guests. */
extern const struct e2e_case e2e_cases[];
extern const unsigned e2e_case_count;
extern const struct e2e_case e2e_cases_arm64[];
extern const unsigned e2e_case_arm64_count;
extern const struct e2e_case e2e_cases_lab[];
extern const unsigned e2e_case_lab_count;
extern const struct e2e_case e2e_cases_gpu[];
extern const unsigned e2e_case_gpu_count;
extern const struct e2e_case e2e_cases_boot[];
extern const unsigned e2e_case_boot_count;
extern const struct e2e_case e2e_cases_linux[];
extern const unsigned e2e_case_linux_count;
/* cases_mesa.c: Mesa in a Linux guest. */
extern const struct e2e_case e2e_cases_mesa[];
extern const unsigned e2e_case_mesa_count;
/* cases_sandbox.c: the sandbox, and an ordinary user. */
extern const struct e2e_case e2e_cases_sandbox[];
extern const unsigned e2e_case_sandbox_count;
/* cases_hostile.c: a guest that means harm. */
extern const struct e2e_case e2e_cases_hostile[];
extern const unsigned e2e_case_hostile_count;
/* cases_devices.c: disks, consoles, and the ends of a run. */
extern const struct e2e_case e2e_cases_devices[];
extern const unsigned e2e_case_devices_count;
/* cases_server.c: the render server is killed. */
extern const struct e2e_case e2e_cases_server[];
extern const unsigned e2e_case_server_count;
/* cases_process.c: --renderer=process. */
extern const struct e2e_case e2e_cases_process[];
extern const unsigned e2e_case_process_count;
/* cases_peers.c: the bugs of other VMMs. */
extern const struct e2e_case e2e_cases_peers[];
extern const unsigned e2e_case_peer_count;
/* cases_memory.c: guest RAM by a file of KVM's; blobs as buffers of other devices. */
extern const struct e2e_case e2e_cases_memory[];
extern const unsigned e2e_case_memory_count;
/* cases_vfio.c: devices of the host. */
extern const struct e2e_case e2e_cases_vfio[];
extern const unsigned e2e_case_vfio_count;
/* cases_update.c: s2vmm is replaced under a running guest. */
extern const struct e2e_case e2e_cases_update[];
extern const unsigned e2e_case_update_count;

#endif
