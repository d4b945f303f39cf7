/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal: stdin's bytes go to the guest's console, the console's bytes to stdout.
 *
 *   stdin ---> thread: escape key, buffer of TERMINAL_BUFFER_SIZE ---> sink.receive()
 *                 ^ stops reading while the buffer is full     ^ sink.room_fd: try again
 *   stdout <-- terminal_output(): at the end of a line, or TERMINAL_FLUSH_MILLISECONDS later
 *
 * When stdin is a terminal, and we are its foreground process group, it is switched to raw mode:
 * every key goes to the guest, ^C and ^Z too. Ctrl-A is the escape key (TERMINAL_HELP). A stdin
 * that is a file or a pipe is handed on byte by byte, Ctrl-A too; its end is harmless.
 *
 * The output modes stay as the user had them, so that our own lines, which end with a bare line
 * feed, stay readable between the guest's. The price: the guest's CR LF becomes CR CR LF, which
 * looks the same, and a full-screen program that moves down by a bare LF gets a CR with it.
 *
 * The terminal is restored whatever happens to us, SIGKILL included. A watcher process, made
 * before anything else, holds the terminal and the read end of a pipe whose write end is ours;
 * when the pipe breaks it puts the modes back, but only if they are still those that we set: a
 * shell may have been faster. It is in a process group of its own and blocks all signals.
 * After a stop (SIGSTOP) and SIGCONT raw mode is set again. A job in the background neither reads
 * the terminal nor changes it; when it comes to the foreground it does both.
 */
#ifndef S2VMM_TERMINAL_H
#define S2VMM_TERMINAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <termios.h>

#include "vmm/sandbox.h"
#include "vmm/state.h"

#define TERMINAL_BUFFER_SIZE        4096
#define TERMINAL_FLUSH_MILLISECONDS 10
#define TERMINAL_LOOK_MILLISECONDS  250 /* in the background: is it the foreground now? */

/* Who gets the bytes; called on the terminal's thread only. */
struct terminal_sink {
    /* Takes bytes for the guest, returns how many. When it took fewer, it writes room_fd, an
     * eventfd, as soon as it can take more. */
    size_t (*receive)(void *context, const uint8_t *bytes, size_t count);
    int room_fd;
    /* The size of the user's terminal, at the start and after each change. May be NULL. */
    void (*resized)(void *context, uint16_t columns, uint16_t rows);
    void *context;
};

struct terminal {
    /* Filled in by the caller: for the thread and the watcher; or NULL. */
    const struct sandbox *sandbox;

    bool initialised;
    int input;
    FILE *output;
    bool is_tty; /* the input */
    struct termios original;
    struct termios raw;
    pid_t watcher;
    int watcher_pipe; /* write end */

    pthread_mutex_t lock; /* paused, parked */
    pthread_cond_t changed;
    bool paused;
    bool parked; /* the thread waits because of that */

    int signal_fd; /* SIGCONT and SIGWINCH */
    int flush_fd;  /* timerfd */
    int quit_fd;   /* eventfd: look at quit and paused */
    atomic_bool quit;
    atomic_bool flush_is_due;

    /* The thread's. */
    struct terminal_sink sink;
    pthread_t thread;
    bool thread_runs;
    bool input_ended;
    bool escaped; /* the last byte was the escape key */
    size_t buffered;
    uint8_t buffer[TERMINAL_BUFFER_SIZE]; /* oldest first */
};

/* Makes the watcher, and blocks SIGCONT and SIGWINCH: call it before there is another thread. Does
 * not touch the terminal yet. The fd and the stream are kept, not closed. ERROR_HOST_SYSTEM. */
bool terminal_init(struct terminal *terminal, int input, FILE *output,
                   struct error *error);

/* The same for a terminal that another s2vmm is using, and goes on using unless we take over: its
 * modes, and the watcher, which stays while one of both lives. The terminal is paused. `reader` has
 * what terminal_save_modes() wrote. ERROR_CONFIG_FILE, ERROR_HOST_SYSTEM. */
bool terminal_init_over(struct terminal *terminal, int input, FILE *output,
                        struct state_reader *reader, struct error *error);

/* The thread stops, and can be saved. ERROR_HOST_SYSTEM: not within this time. */
bool terminal_pause(struct terminal *terminal, unsigned milliseconds,
                    struct error *error);
void terminal_resume(struct terminal *terminal);

/* What was typed, and did not reach the guest yet. Loading: before terminal_start().
 * ERROR_CONFIG_FILE. */
void terminal_save(const struct terminal *terminal, struct state_writer *writer);
bool terminal_load(struct terminal *terminal, struct state_reader *reader,
                   struct error *error);

void terminal_save_modes(const struct terminal *terminal, struct state_writer *writer);
bool terminal_load_modes(struct terminal *terminal, struct state_reader *reader,
                         struct error *error);

/* Raw mode, and the thread that reads. ERROR_HOST_SYSTEM. */
bool terminal_start(struct terminal *terminal, const struct terminal_sink *sink,
                    struct error *error);

/* Stops the thread, writes what is left, restores the terminal. A zeroed object is fine. */
void terminal_finish(struct terminal *terminal);

/* A byte from the guest; any thread, between terminal_init() and terminal_finish(). */
void terminal_output(struct terminal *terminal, uint8_t byte);

/* What the escape key's second key stands for; the help is printed to stderr. */
extern const char terminal_help[];

#endif
