#include "daemon/finding.h"
#include <stdarg.h>
#include <stdio.h>

void finding_set(struct load_finding *f, const char *file, const char *format, ...)
{
	va_list arguments;
	*f = (struct load_finding){.fatal = true};
	int len = snprintf(f->file, sizeof f->file, "%s", file);
	(void)len; /* names are short; a cut one is still a name */
	va_start(arguments, format);
	vsnprintf(f->message, sizeof f->message, format, arguments);
	va_end(arguments);
}

void finding_add(struct load_finding *f, const char *format, ...)
{
	va_list arguments;
	size_t len = strlen(f->message);
	va_start(arguments, format);
	vsnprintf(f->message + len, sizeof f->message - len, format, arguments);
	va_end(arguments);
}

/* json.dumps writes NaN, Infinity and -Infinity; the scanner stops at the first letter, or at the minus. */
static bool is_python_number(struct span text, size_t at)
{
	static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t len = strlen(words[i]);
		if (text.len - at >= len && memcmp(text.at + at, words[i], len) == 0)
			return true;
	}
	return false;
}

void finding_add_scan(struct load_finding *f, struct span text, bool whole, enum scan_result result,
                      const struct scan_report *report)
{
	if (result == SCAN_DEEP)
		finding_add(f, "the JSON is nested deeper than %d levels", (int)SCAN_DEPTH_FILE);
	else if (result == SCAN_DUPLICATE)
		finding_add(f, "this name stands twice in one object; remove one of the two members");
	else if (is_python_number(text, report->at))
		finding_add(f, "NaN and Infinity are not JSON (Python's json.dumps writes them): replace the number "
		               "by null");
	else if (whole && report->at >= text.len)
		finding_add(f, "the file ends here, where %s was expected: it was cut off; " FINDING_RESTORE,
		            report->expected);
	else
		finding_add(f, "this is not JSON: expected %s", report->expected);
}

void finding_add_fault(struct load_finding *f, const struct fault *fault)
{
	/* the message names the field and what was expected */
	finding_add(f, "%s; %s", fault->message[0] ? fault->message : fault_text(fault->code),
	            fault->hint[0]
	                ? fault->hint
	                : "correct the record by hand, or take it out, or restore the file from a backup");
}

bool finding_sum_of(struct span value, uint64_t *sum)
{
	static const char digits[] = "0123456789abcdef";
	enum { DIGITS = 16 };
	if (value.len != DIGITS + 2 || value.at[0] != '"' || value.at[DIGITS + 1] != '"')
		return false;
	*sum = 0;
	for (int i = 1; i <= DIGITS; i++) {
		const char *digit = memchr(digits, value.at[i], DIGITS);
		if (!digit)
			return false;
		*sum = *sum << 4 | (uint64_t)(digit - digits);
	}
	return true;
}

bool finding_sum_at_end(struct span text, uint64_t *sum, size_t *covered)
{
	static const char before[] = ",\"xxh3\":";
	enum { BEFORE = sizeof before - 1, VALUE = 18, ALL = BEFORE + VALUE + 1 };
	size_t len = text.len;
	/* strchr would take a NUL for white space. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	while (len > 0 && memchr(" \n\t\r", text.at[len - 1], 4))
		len--;
	if (len < ALL || text.at[len - 1] != '}' || memcmp(text.at + len - ALL, before, BEFORE) != 0)
		return false;
	*covered = len - ALL;
	return finding_sum_of((struct span){text.at + len - VALUE - 1, VALUE}, sum);
}

bool finding_almost_sum(struct span name)
{
	int same = 0;
	if (name.len != 4)
		return false;
	for (int i = 0; i < 4; i++)
		same += name.at[i] == "xxh3"[i];
	return same >= 3;
}
