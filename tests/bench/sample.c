#include "tests/bench/sample.h"
#include <string.h>
#include <time.h>

const char *const sample_statuses[SAMPLE_STATUSES] = {"pending", "running", "completed", "failed", "cancelled"};

/* REST_BYTES: a record's length without its note */
enum { EPOCH = 1735689600, REST_BYTES = 512, FIRST_TERMINAL = 2 };

/* Neighbours in number are far apart in everything else. */
static uint32_t scattered(uint32_t number)
{
	return number * 2654435761u;
}

int sample_status(uint32_t number, bool moved)
{
	return (int)((scattered(number) >> 8) % SAMPLE_STATUSES + moved) % SAMPLE_STATUSES;
}

int64_t sample_created(uint32_t number)
{
	return EPOCH + (int64_t)number;
}

static const char *type_of(uint32_t number)
{
	static const char *const types[] = {"backtest", "optimization", "signal_generation", "data_refresh"};
	bool rare = number < 1000 && number % (1000 / SAMPLE_RARE) == 0;
	return rare ? "calibration" : types[(scattered(number) >> 4) % 4];
}

void sample_id(struct buf *out, uint32_t number)
{
	buf_printf(out, "job-%08u-%08x", number, (unsigned)scattered(number));
}

static void add_time(struct buf *out, int64_t seconds, unsigned micros)
{
	char text[32];
	time_t t = (time_t)seconds;
	struct tm parts;
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &parts));
	buf_printf(out, "\"%s.%06u+00:00\"", text, micros);
}

void sample_progress(struct buf *out, uint32_t variant)
{
	buf_printf(out, "{\"current\":%u,\"total\":5000,\"message\":\"Loading prices of %u\"}", variant % 5000,
	           1990 + variant % 36);
}

/* What a signal's description might say, so that a record has its size. */
static void add_prose(struct buf *out, uint32_t len)
{
	static const char words[] = "mean reversion on the residual of sector and size, rebalanced weekly; ";
	while (len > 0) {
		uint32_t part = len < sizeof words - 1 ? len : (uint32_t)sizeof words - 1;
		buf_add(out, words, part);
		len -= part;
	}
}

static void add_members(struct buf *out, const struct sample *s)
{
	uint32_t n = s->number, v = s->variant;
	int status = sample_status(n, s->moved);
	buf_text(out, "{\"id\":\"");
	sample_id(out, n);
	buf_printf(out, "\",\"type\":\"%s\",\"status\":\"%s\",\"payload\":{\"factor\":\"value\",\"top_n\":%u,",
	           type_of(n), sample_statuses[status], 10 + v % 90);
	buf_text(out, "\"costs\":{\"commission\":0.0015,\"slippage_bps\":2.5},\"note\":\"");
	add_prose(out, s->bytes > REST_BYTES ? s->bytes - REST_BYTES : 0);
	buf_text(out, "\"},\"progress\":");
	sample_progress(out, v);
	buf_text(out, ",\"result\":null,\"created_at\":");
	add_time(out, sample_created(n), n % 1000000);
	buf_text(out, ",\"started_at\":");
	add_time(out, sample_created(n) + 2, n % 1000000);
	buf_text(out, ",\"completed_at\":");
	if (status < FIRST_TERMINAL)
		buf_text(out, "null");
	else
		add_time(out, sample_created(n) + 60, n % 1000000);
	buf_printf(out, ",\"error\":null,\"metadata\":{\"owner\":\"api\",\"attempt\":%u}", v % 4);
}

void sample_job(struct buf *out, const struct sample *s)
{
	add_members(out, s);
	buf_char(out, '}');
}

void sample_record(struct buf *out, const struct sample *s)
{
	add_members(out, s);
	buf_text(out, ",\"updated_at\":");
	add_time(out, sample_created(s->number) + 60, s->variant % 1000000);
	buf_printf(out, ",\"revision\":%u}", 100000 + s->variant % 900000);
}
