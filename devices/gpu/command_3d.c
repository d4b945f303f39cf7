/* SPDX-License-Identifier: MIT */
/*
 * 3D resources, and transfers between them and guest memory.
 */
#include "devices/gpu/command.h"

const struct command_table gpu_commands_3d = {NULL, 0};
