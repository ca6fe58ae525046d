/* SPDX-License-Identifier: GPL-2.0 */
/* rules.h: match lines and classes for the router under test, stored as the controller stores them. */
#ifndef WANHELM_TESTS_RULES_H
#define WANHELM_TESTS_RULES_H

#include "harness.h"
#include "kern/rule_tables.h"

#define RULES_CLASSES 5 /* the last one of the configuration is `default`, number 0 */
#define RULES_LANS LAB_LANS

extern struct wh_config rules_config;
/* LANs as the lab has them; the classes' numbers are not their places in the configuration. */
extern struct wh_rule_numbers rules_numbers;
extern struct wh_rule_set rules_set; /* what was last compiled */

/* A test's beginning: lab_reset(), no rules, classes that may all use WANs 0 and 1, and say so where neither works. */
int rules_reset(void **state);
#define RULES_TEST(f)                                                                                                  \
	{                                                                                                              \
#f, f, rules_reset, NULL, NULL                                                                         \
	}

/* Compile the configuration; the same, and store it: whether it was stored. */
void rules_compile(void);
bool rules_store(void);
uint32_t rules_generation(void);

/* By class number: the WANs that it may use, first the one with the lowest number. */
void rules_set_classes(const uint8_t wans[RULES_CLASSES]);

/* Another line, of the first class, that asks for nothing. */
struct wh_conf_match *rules_add_line(void);

#endif
