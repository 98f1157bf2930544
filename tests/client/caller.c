#include "tests/client/caller.h"
#include <stdlib.h>
#include <string.h>

persist_client *c;
persist_result *r;
persist_error e;

void opened_at(const char *socket)
{
	c = persist_open(socket);
	persist_set_timeout(c, 8000);
}

void opened(void)
{
	opened_at(fake_socket);
}

void played(void)
{
	persist_result_free(r);
	r = NULL;
	persist_close(c);
	c = NULL;
	fake_end();
}

int get(void) { return persist_job_get(c, "j", NULL, &r, &e); }
int save(void) { return persist_job_save(c, persist_text(JSON({"id":"j"})), NULL, &r, &e); }

void *kept(void *memory)
{
	static void *volatile all[256];
	static unsigned count;
	ck_assert_uint_lt(count, 256);
	return all[count++] = memory;
}

char *padded(const char *before, size_t size, const char *after)
{
	char *text = calloc(1, strlen(before) + size + strlen(after) + 1);
	ck_assert_ptr_nonnull(text);
	memset(stpcpy(text, before), 'x', size);
	strcpy(text + strlen(before) + size, after);
	return text;
}

enum { LARGE = 8 << 20 };

persist_value large_job(void)
{
	return persist_text(kept(padded("{\"id\":\"large\",\"payload\":{\"x\":\"", LARGE, "\"}}")));
}

persist_value large_params(void)
{
	return persist_text(kept(padded("{\"job\":{\"id\":\"large\",\"payload\":{\"x\":\"", LARGE, "\"}}}")));
}

void expect_result(int code, const char *wanted)
{
	ck_assert_msg(code == 0, "%d: %s", code, e.message);
	ck_assert_ptr_nonnull(r);
	ck_assert_str_eq(persist_result_text(r, NULL), wanted);
	persist_result_free(r);
	r = NULL;
}

void expect_error(int code, int wanted, enum persist_outcome outcome)
{
	ck_assert_msg(code == wanted, "%d instead of %d: %s", code, wanted, code ? e.message : "it went well");
	ck_assert_int_eq(e.code, code);
	ck_assert_msg(e.outcome == outcome, "outcome %d of %d: %s", e.outcome, code, e.message);
	ck_assert_str_ne(e.message, "");
	ck_assert_str_ne(e.kind, "");
	ck_assert_ptr_null(r);
}
