/* fuzz: what every target in this directory has.
 *
 * A target is one LLVMFuzzerTestOneInput: it takes any bytes and returns where everything was as promised; where it was
 * not, it says so and aborts. clang's libFuzzer calls it with inputs that it makes up (./dev fuzz), replay.c with those
 * of corpus/TARGET (./dev test). One thread; what a run leaves in static variables must not change the next. */
#pragma once
#include "proto/buf.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ_FAIL(...)                              \
	do {                                              \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		fputc('\n', stderr);                            \
		abort();                                        \
	} while (0)
#define FUZZ_EXPECT(condition)         \
	do {                                 \
		if (!(condition))                  \
			FUZZ_FAIL("not so: " #condition); \
	} while (0)

/* FUZZ_TRACE=1 in the environment: what happens, on stderr, for who replays a finding. */
#define FUZZ_TRACE(...)                \
	do {                                 \
		if (getenv("FUZZ_TRACE")) {        \
			fprintf(stderr, __VA_ARGS__);    \
			fputc('\n', stderr);             \
		}                                  \
	} while (0)

static inline void fuzz_same(struct span got, struct span wanted, const char *what)
{
	if (!span_is(got, wanted))
		FUZZ_FAIL("%s: got\n%.*s\nwanted\n%.*s", what, (int)got.len, got.at, (int)wanted.len, wanted.at);
}

/* Input that is taken piece by piece; behind its end there are zeros. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint64_t n = 0;
	while (bytes-- > 0)
		n = n << 8 | fuzz_byte(in);
	return n;
}

static inline unsigned fuzz_below(struct fuzz_input *in, unsigned limit)
{
	return limit <= 256 ? fuzz_byte(in) % limit : (unsigned)(fuzz_number(in, 2) % limit);
}

static inline struct span fuzz_rest(const struct fuzz_input *in)
{
	return (struct span){(const char *)in->at, in->left};
}

/* In memory of exactly that size, so that a sanitizer sees each byte that is read beyond it. free() its `at`. */
static inline struct span fuzz_copy(struct span text)
{
	char *at = malloc(text.len ? text.len : 1);
	if (!at)
		abort();
	if (text.len)
		memcpy(at, text.at, text.len);
	return (struct span){at, text.len};
}
