/* finding: how what is wrong with a file is said,
 * so that the person who reads it knows where and what to do. */
#pragma once
#include "daemon/load.h"
#include "proto/scan.h"

/* A fatal finding about the file as a whole. */
__attribute__((format(printf, 3, 4))) void finding_set(struct load_finding *f, const char *file,
                                                       const char *format, ...);
__attribute__((format(printf, 2, 3))) void finding_add(struct load_finding *f, const char *format, ...);

/* Adds what is wrong where the scanner stopped; `text` is what was scanned,
 * to the end of the file if `whole`. */
void finding_add_scan(struct load_finding *f, struct span text, bool whole, enum scan_result result,
                      const struct scan_report *report);
/* Adds why the sink refused a record. */
void finding_add_fault(struct load_finding *f, const struct fault *fault);

#define FINDING_RESTORE "restore it from a backup"
#define FINDING_SUM                                                                                          \
	"its checksum (xxh3) does not match: the file is damaged or was edited by hand. Restore it from a "      \
	"backup; if the edit was on purpose, "                                                                   \
	"remove the \"xxh3\" member with the comma before it and start again"

/* The end of a file as persistd writes it: ,"xxh3":"…"}. False: it ends otherwise. *covered: bytes from the
 * start of `text` to that comma. */
bool finding_sum_at_end(struct span text, uint64_t *sum, size_t *covered);
/* of the member's value: a string of 16 lower-case hex digits */
bool finding_sum_of(struct span value, uint64_t *sum);
/* Is it what a damaged byte makes of "xxh3"? */
bool finding_almost_sum(struct span name);
