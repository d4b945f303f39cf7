/* SPDX-License-Identifier: MIT */
/*
 * How long VMMs take from exec to the guest's init.
 *
 *   bench-boot [--json] [--rounds N] [--marker TEXT] [--name BENCHMARK] NAME PROGRAM [ARGUMENT]... [-- NAME ...]...
 *
 * Each round starts each program once, one after the other, so that a machine whose speed
 * drifts slows all; the time is over when the marker has come on its stdout, and then the
 * program is killed. Prints minimum, median and maximum in milliseconds, the largest RSS of
 * the process, and the ratio of the first one's median to each. A program that ends, or is
 * silent for a minute, has no time: that is said, and the status is 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAMS_MAX  8u
#define ROUNDS_MAX    100u
#define MARKER        "bench: init"
#define OUTPUT_MAX    65536u /* what is kept for a message */
#define PATIENCE_MS   60000
#define MESSAGE_LINES 3u

struct program {
    const char *name;
    char **arguments; /* NULL-terminated */
    unsigned count;   /* of times */
    double milliseconds[ROUNDS_MAX];
    long rss_kib; /* the largest */
};

struct options {
    bool json;
    unsigned rounds;
    const char *marker;
    const char *name; /* of the benchmark, for JSON */
    unsigned program_count;
    struct program programs[PROGRAMS_MAX];
};

static void usage(const char *why)
{
    fprintf(stderr,
            "bench-boot: %s\nusage: bench-boot [--json] [--rounds N] [--marker TEXT] "
            "[--name BENCHMARK] NAME PROGRAM [ARGUMENT]... [-- NAME ...]...\n",
            why);
    exit(2);
}

static void parse(int count, char **words, struct options *options)
{
    int i = 1;
    *options = (struct options){.rounds = 5, .marker = MARKER, .name = "boot"};
    for (; i < count && strncmp(words[i], "--", 2) == 0; i++) {
        if (strcmp(words[i], "--json") == 0)
            options->json = true;
        else if (strcmp(words[i], "--rounds") == 0 && i + 1 < count)
            options->rounds = (unsigned)strtoul(words[++i], NULL, 10);
        else if (strcmp(words[i], "--marker") == 0 && i + 1 < count)
            options->marker = words[++i];
        else if (strcmp(words[i], "--name") == 0 && i + 1 < count)
            options->name = words[++i];
        else
            usage("an option is not known, or has no value");
    }
    if (options->rounds == 0 || options->rounds > ROUNDS_MAX)
        usage("1 to 100 rounds are possible");
    while (i < count) {
        if (options->program_count == PROGRAMS_MAX)
            usage("too many programs");
        if (i + 1 == count || strcmp(words[i + 1], "--") == 0)
            usage("a name without a program");
        options->programs[options->program_count++] =
            (struct program){.name = words[i], .arguments = &words[i + 1]};
        i += 2;
        while (i < count && strcmp(words[i], "--") != 0)
            i++;
        if (i < count)
            words[i++] = NULL;
    }
    if (options->program_count == 0)
        usage("no program");
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* Its stdin is empty, its stderr goes to the same pipe; a process group of its own, as it may
 * have children. */
static pid_t start(const struct program *program, int *output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("bench-boot: pipe");
        exit(1);
    }
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDONLY);
        setpgid(0, 0);
        if (null < 0 || dup2(null, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0)
            _exit(127);
        execv(program->arguments[0], program->arguments);
        dprintf(2, "cannot be started: %s\n", strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    return child;
}

/* True when the marker came. */
static bool wait_for_marker(int output, const char *marker, char *text)
{
    size_t length = 0;
    text[0] = '\0';
    for (;;) {
        struct pollfd readable = {.fd = output, .events = POLLIN};
        if (poll(&readable, 1, PATIENCE_MS) <= 0)
            return false;
        ssize_t count = read(output, text + length, OUTPUT_MAX - 1 - length);
        if (count <= 0)
            return false;
        length += (size_t)count;
        text[length] = '\0';
        if (strstr(text, marker))
            return true;
        if (length == OUTPUT_MAX - 1) { /* the marker may be in two pieces */
            size_t kept = strlen(marker);
            memmove(text, text + length - kept, kept);
            length = kept;
        }
    }
}

static bool run(struct program *program, const char *marker)
{
    static char text[OUTPUT_MAX];
    int output;
    struct rusage usage_of_child;
    double begin = now();
    pid_t child = start(program, &output);
    bool came = wait_for_marker(output, marker, text);
    double end = now();
    kill(-child, SIGKILL);
    kill(child, SIGKILL); /* its group may not exist yet */
    wait4(child, NULL, 0, &usage_of_child);
    close(output);
    if (!came) {
        const char *tail = text + strlen(text);
        for (unsigned lines = 0; tail > text && lines <= MESSAGE_LINES;)
            lines += *--tail == '\n';
        fprintf(stderr, "bench-boot: %s: \"%s\" did not come; its last words: %s\n",
                program->name, marker, tail);
        return false;
    }
    program->milliseconds[program->count++] = end - begin;
    if (usage_of_child.ru_maxrss > program->rss_kib)
        program->rss_kib = usage_of_child.ru_maxrss;
    return true;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median(const struct program *program)
{
    unsigned n = program->count;
    const double *sorted = program->milliseconds;
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void print_text(const struct program *program, const char *ratio)
{
    printf("%-20s %4u %8.1f %8.1f %8.1f %10ld   %s\n", program->name, program->count,
           program->milliseconds[0], median(program),
           program->milliseconds[program->count - 1], program->rss_kib, ratio);
}

static void print_json(const struct program *program, const char *benchmark,
                       const char *ratio)
{
    printf(
        "{\"benchmark\":\"%s\",\"vmm\":\"%s\",\"rounds\":%u,\"min_ms\":%.1f,"
        "\"median_ms\":%.1f,\"max_ms\":%.1f,\"rss_kib\":%ld,\"ratio\":%s}\n",
        benchmark, program->name, program->count, program->milliseconds[0],
        median(program), program->milliseconds[program->count - 1], program->rss_kib,
        ratio);
}

static void print(const struct options *options)
{
    const struct program *first = &options->programs[0];
    if (!options->json)
        puts(
            "exec to the marker, ms  n      min   median      max    RSS KiB   the first "
            "to "
            "this one");
    for (unsigned i = 0; i < options->program_count; i++) {
        const struct program *program = &options->programs[i];
        char ratio[32] = "null"; /* JSON's word */
        if (program->count == 0)
            continue;
        if (first->count > 0)
            snprintf(ratio, sizeof ratio, "%.3f", median(first) / median(program));
        if (options->json)
            print_json(program, options->name, ratio);
        else
            print_text(program, ratio);
    }
}

int main(int count, char **words)
{
    static struct options options;
    bool good = true;
    parse(count, words, &options);
    for (unsigned round = 0; round < options.rounds; round++)
        for (unsigned i = 0; i < options.program_count; i++)
            if (!run(&options.programs[i], options.marker))
                good = false;
    for (unsigned i = 0; i < options.program_count; i++)
        qsort(options.programs[i].milliseconds, options.programs[i].count, sizeof(double),
              compare);
    print(&options);
    return good ? 0 : 1;
}
