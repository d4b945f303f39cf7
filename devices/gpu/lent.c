/* SPDX-License-Identifier: MIT */
#include "devices/gpu/lent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/gpu/gpu.h"
#include "vmm/json.h"

#define LOOK_SOONEST 1000u /* microseconds */
#define LOOK_LATEST  1000000u

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* --- a loan --- */

struct loan *lent_begin(struct gpu *gpu, uint32_t resource_id, uint64_t size,
                        struct error *error)
{
    struct loan *loan = calloc(1, sizeof *loan);
    if (!loan) {
        error_set(error, ERROR_HOST_MEMORY, "no memory to lend blob %u", resource_id);
        return NULL;
    }
    if (!quota_take(&gpu->quota, &loan->share, QUOTA_DESCRIPTORS, 1, error) ||
        !quota_take(&gpu->quota, &loan->share, QUOTA_LENT, size, error)) {
        quota_give_all(&gpu->quota, &loan->share);
        free(loan);
        return NULL;
    }
    loan->resource_id = resource_id;
    loan->fd = -1;
    loan->size = size;
    loan->since = now();
    loan->next = gpu->lent.loans;
    gpu->lent.loans = loan;
    gpu->lent.made++;
    return loan;
}

bool lent_began(struct loan *loan, uint64_t since, struct error *error)
{
    if (since > loan->since)
        return error_set(error, ERROR_GUEST_STATE,
                         "blob %u was lent at %llu us of CLOCK_MONOTONIC, it is %llu us",
                         loan->resource_id, (unsigned long long)since,
                         (unsigned long long)loan->since);
    loan->since = since;
    return true;
}

static void keep_longest(uint64_t *longest, uint64_t begin, uint64_t end)
{
    if (end - begin > *longest)
        *longest = end - begin;
}

static void end_loan(struct gpu *gpu, struct loan *loan)
{
    struct loan **link = &gpu->lent.loans;
    while (*link != loan)
        link = &(*link)->next;
    *link = loan->next;
    if (loan->fd >= 0)
        close(loan->fd);
    quota_give_all(&gpu->quota, &loan->share);
    free(loan);
}

void lent_cancel(struct gpu *gpu, struct loan *loan)
{
    gpu->lent.made--;
    end_loan(gpu, loan);
}

/* Nobody else has it. Where nobody tells, it is taken for returned, as before there were loans. */
static bool is_returned(struct gpu *gpu, const struct loan *loan)
{
    uint64_t others;
    switch (gpu->lent.count_users(loan->fd, &others)) {
    case LENT_USERS_COUNTED:
        return others == 0;
    case LENT_USERS_NOT_NOW:
        return false;
    case LENT_USERS_UNKNOWN:
        break;
    }
    if (!gpu->lent.said_unknown)
        trace_warning(gpu->trace, "gpu",
                      "/proc does not say who else has a dma-buf: guest memory counts as "
                      "returned when it is asked back; said once");
    gpu->lent.said_unknown = true;
    return true;
}

/* Ends it if it is returned. */
static bool try_return(struct gpu *gpu, struct loan *loan)
{
    if (!is_returned(gpu, loan))
        return false;
    uint64_t time = now();
    keep_longest(&gpu->lent.longest, loan->since, time);
    keep_longest(&gpu->lent.longest_wait, loan->asked_at, time);
    trace_detail(gpu->trace, "gpu",
                 "blob %u: its guest memory is returned, after %llu us",
                 loan->resource_id, (unsigned long long)(time - loan->asked_at));
    end_loan(gpu, loan);
    return true;
}

/* --- the timer --- */

static void say_overdue(struct gpu *gpu, const struct loan *loan, uint64_t time)
{
    char holders[512];
    uint64_t others;
    gpu->lent.count_users(loan->fd, &others);
    lent_users_name(loan->fd, others, holders, sizeof holders);
    trace_warning(
        gpu->trace, "gpu",
        "blob %u: %llu bytes of guest memory are still lent, %llu ms after they "
        "were asked back; %llu users: %s",
        loan->resource_id, (unsigned long long)loan->size,
        (unsigned long long)((time - loan->asked_at) / 1000), (unsigned long long)others,
        holders);
}

/* In so many microseconds, or never (0). */
static void set_timer(const struct gpu *gpu, uint64_t microseconds)
{
    const struct itimerspec once = {
        .it_value.tv_sec = (time_t)(microseconds / 1000000),
        .it_value.tv_nsec = (long)(microseconds % 1000000) * 1000,
    };
    timerfd_settime(gpu->lent.timer_fd, 0, &once, NULL);
}

static uint64_t next_look(const struct loan *loan, uint64_t time)
{
    uint64_t delay = (time - loan->asked_at) / 8;
    return delay < LOOK_SOONEST  ? LOOK_SOONEST
           : delay > LOOK_LATEST ? LOOK_LATEST
                                 : delay;
}

void lent_look(struct gpu *gpu)
{
    uint64_t delay = 0;
    struct loan *next;
    for (struct loan *loan = gpu->lent.loans; loan; loan = next) {
        next = loan->next;
        if (loan->asked_at == 0 || try_return(gpu, loan))
            continue;
        uint64_t time = now();
        if (!loan->overdue && time >= loan->due) {
            loan->overdue = true;
            gpu->lent.overdue++;
            say_overdue(gpu, loan, time);
        }
        uint64_t look = next_look(loan, time);
        if (delay == 0 || look < delay)
            delay = look;
    }
    set_timer(gpu, delay);
}

static void ask(struct gpu *gpu, struct loan *loan)
{
    uint64_t milliseconds = gpu->config.lent_milliseconds;
    loan->asked_at = now();
    loan->due = loan->asked_at +
                1000 * (milliseconds > 0 ? milliseconds : (uint64_t)LENT_MILLISECONDS);
    loan->overdue = false;
    set_timer(gpu, LOOK_SOONEST);
}

void lent_ask_back(struct gpu *gpu, struct loan *loan)
{
    loan->asked_at = now();
    if (!try_return(gpu, loan))
        ask(gpu, loan);
}

/* --- answers --- */

bool lent_wait(struct gpu *gpu, uint32_t resource_id)
{
    bool found = false;
    for (struct loan *loan = gpu->lent.loans; loan; loan = loan->next) {
        if (loan->asked_at == 0 || loan->resource_id != resource_id)
            continue;
        found = true;
        if (loan->overdue)
            ask(gpu, loan);
    }
    if (found)
        gpu->lent.wait_for = resource_id;
    return found;
}

bool lent_keep_answer(struct gpu *gpu, const struct gpu_response *response, bool fenced,
                      struct renderer_timeline timeline)
{
    struct lent *lent = &gpu->lent;
    uint32_t resource_id = lent->wait_for;
    lent->wait_for = 0;
    if (resource_id == 0)
        return false;
    struct lent_answer *answer = malloc(sizeof *answer);
    if (!answer) {
        trace_warning(gpu->trace, "gpu",
                      "blob %u: answered while its memory is lent: no memory to wait",
                      resource_id);
        return false;
    }
    *answer = (struct lent_answer){
        .resource_id = resource_id,
        .header = response->header,
        .fenced = fenced,
        .timeline = timeline,
        .chain = gpu->chain,
    };
    struct lent_answer **link = &lent->answers;
    while (*link)
        link = &(*link)->next;
    *link = answer;
    lent->answer_count++;
    return true;
}

enum progress {
    RETURNED,
    WAITING,
    OVERDUE,
};

static enum progress progress_of(const struct lent *lent, uint32_t resource_id)
{
    enum progress progress = RETURNED;
    for (const struct loan *loan = lent->loans; loan; loan = loan->next) {
        if (loan->asked_at == 0 || loan->resource_id != resource_id)
            continue;
        if (!loan->overdue)
            return WAITING;
        progress = OVERDUE;
    }
    return progress;
}

static bool may_wait_on(const struct gpu *gpu)
{
    return gpu->config.lent_overdue == LENT_OVERDUE_WAIT &&
           gpu->lent.answer_count <= gpu->virtio.queues[GPU_QUEUE_CONTROL].size / 2u;
}

static bool is_due(const struct gpu *gpu, const struct lent_answer *answer,
                   enum progress *progress)
{
    *progress = progress_of(&gpu->lent, answer->resource_id);
    return *progress == RETURNED || (*progress == OVERDUE && !may_wait_on(gpu));
}

bool lent_take_answer(struct gpu *gpu, struct gpu_response *response, bool *fenced,
                      struct renderer_timeline *timeline)
{
    enum progress progress = RETURNED;
    struct lent_answer **link = &gpu->lent.answers;
    while (*link && !is_due(gpu, *link, &progress))
        link = &(*link)->next;
    struct lent_answer *answer = *link;
    if (!answer)
        return false;
    *link = answer->next;
    gpu->lent.answer_count--;
    gpu->chain = answer->chain;
    response->header = answer->header;
    response->size = sizeof response->header;
    if (progress == OVERDUE)
        response->header.type = VIRTIO_GPU_RESP_ERR_UNSPEC;
    *fenced = answer->fenced && progress == RETURNED;
    *timeline = answer->timeline;
    free(answer);
    return true;
}

bool lent_is_settled(const struct gpu *gpu, struct error *error)
{
    for (const struct loan *loan = gpu->lent.loans; loan; loan = loan->next)
        if (loan->asked_at != 0)
            return error_set(error, ERROR_GUEST_STATE,
                             "blob %u: %llu bytes of guest memory were asked back, and "
                             "somebody still has them: try again when they are returned",
                             loan->resource_id, (unsigned long long)loan->size);
    return true;
}

void lent_forget_answers(struct gpu *gpu)
{
    struct lent_answer *next;
    for (struct lent_answer *answer = gpu->lent.answers; answer; answer = next) {
        next = answer->next;
        free(answer);
    }
    gpu->lent.answers = NULL;
    gpu->lent.answer_count = 0;
}

void lent_reset(struct gpu *gpu)
{
    lent_forget_answers(gpu);
    for (struct loan *loan = gpu->lent.loans; loan; loan = loan->next)
        loan->resource_id = 0;
}

/* --- life, and the report --- */

bool lent_init(struct gpu *gpu, struct error *error)
{
    gpu->lent = (struct lent){
        .timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
        .count_users = lent_users_count,
    };
    return gpu->lent.timer_fd >= 0 ||
           error_set(error, ERROR_HOST_SYSTEM, "timerfd to look after lent memory: %s",
                     strerror(errno));
}

void lent_finish(struct gpu *gpu)
{
    if (gpu->lent.timer_fd < 0)
        return;
    lent_forget_answers(gpu);
    while (gpu->lent.loans)
        end_loan(gpu, gpu->lent.loans);
    close(gpu->lent.timer_fd);
}

void lent_write(const struct lent *lent, FILE *out)
{
    uint64_t time = now();
    uint64_t buffers = 0;
    uint64_t bytes = 0;
    uint64_t asked = 0;
    uint64_t overdue = 0;
    uint64_t longest = lent->longest;
    for (const struct loan *loan = lent->loans; loan; loan = loan->next) {
        buffers++;
        bytes += loan->size;
        asked += loan->asked_at != 0;
        overdue += loan->overdue;
        keep_longest(&longest, loan->since, time);
    }
    struct json json;
    json_begin(&json, out);
    json_string(&json, "statistics", "lent");
    json_number(&json, "buffers", buffers);
    json_number(&json, "bytes", bytes);
    json_number(&json, "asked_back", asked);
    json_number(&json, "overdue", overdue);
    json_number(&json, "ever", lent->made);
    json_number(&json, "ever_overdue", lent->overdue);
    json_number(&json, "longest_us", longest);
    json_number(&json, "longest_wait_us", lent->longest_wait);
    json_number(&json, "answers_waiting", lent->answer_count);
    json_end(&json);
}
