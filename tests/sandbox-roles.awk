# SPDX-License-Identifier: MIT
# For tests/sandbox-needed: reads what `strace -f -Y` writes, prints "role call" for each call that a thread of s2vmm
# makes in its role. gpu: venus, virgl or none.
#
# A thread is in its role once it has loaded a filter; the GPU's, with a library, loads two. A thread or process that
# it starts inherits what it has at that moment.

# The words for SANDBOX_* (vmm/sandbox.c); level: how many filters.
function role_of(name, level) {
    if (name == "gpu") return gpu == "none" ? "gpu" : level == 1 ? "renderer-start" : "gpu-" gpu
    if (name ~ /^vcpu/) return "vcpu"
    if (name == "blk-worker") return "disk"
    if (name == "s2vmm-terminal") return "terminal-watcher"
    if (name == "s2vmm-launcher") return "render-launcher" # and what it starts
    if (name == "terminal" || name == "signals" || name == "update") return name
    if (name == "s2vmm") return "main"
    return "device"
}

{
    end = index($0, " ")
    split(substr($0, 1, end), word, /[<>]/)
    thread = word[1]
    rest = substr($0, end + 1)
    sub(/^ +/, "", rest)
    resumed = rest ~ /^<\.\.\. /
    sub(/^<\.\.\. /, "", rest)
    if (!match(rest, /^[a-z0-9_]+/)) next
    call = substr(rest, 1, RLENGTH)
    if (call ~ /^(clone|clone3|fork|vfork)$/ && match(rest, /= [0-9]+/)) {
        child = substr(rest, RSTART + 2, RLENGTH - 2)
        if (level[thread] > 0 && !(child in role)) {
            level[child] = level[thread]
            role[child] = thread in role ? role[thread] : role_of(word[2], level[thread])
        }
    }
    if (call == "seccomp") {
        if (rest ~ /SET_MODE_FILTER, 0, \{/) level[thread]++
        next
    }
    if (level[thread] > 0 && !resumed) seen[(thread in role ? role[thread] : role_of(word[2], level[thread])) " " call] = 1
}

END { for (pair in seen) print pair }
