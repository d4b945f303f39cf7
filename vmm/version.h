/* SPDX-License-Identifier: MIT */
#ifndef S2VMM_VERSION_H
#define S2VMM_VERSION_H

#define S2VMM_VERSION "0.1.0"

#endif
