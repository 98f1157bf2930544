/* Records as memory keeps them: whatever text is taken for a record comes back byte for byte, what is read in it is what
 * is read in its text, and with live progress or a percentage nothing else changes. The first byte chooses the table, and
 * whether the rest is a record's text as it is (a file with a right checksum may hold anything) or JSON that is imported. */
#include "daemon/record.h"
#include "tests/fuzz/fuzz.h"

enum { NOW = 1000000 };

static const char live_text[] = "{\"current\":3,\"total\":4,\"message\":\"}\"}";

static void same_keys(enum table_id t, const struct record *r, const struct record_keys *made, const struct members *m)
{
	static const int a[] = {JOB_STATUS, RUN_STATUS, ARTIFACT_RUN_ID}, b[] = {JOB_TYPE, RUN_KIND, ARTIFACT_KIND};
	struct record_keys again;
	struct span id = m->value[0], other = m->value[a[t]], kind = m->value[b[t]];

	fuzz_same(record_id(r), (struct span){id.at + 1, id.len - 2}, "id");
	if (made->a.len)
		fuzz_same(made->a, (struct span){other.at + 1, other.len - 2}, "status or run_id");
	fuzz_same(made->b, (struct span){kind.at + 1, kind.len - 2}, "type or kind");
	if (made->meta.at)
		fuzz_same(made->meta, m->value[RUN_META], "meta");
	record_keys(t, r, &again);
	FUZZ_EXPECT(again.id.at == made->id.at && again.a.at == made->a.at && again.a.len == made->a.len);
	FUZZ_EXPECT(again.b.at == made->b.at && again.meta.at == made->meta.at && again.meta.len == made->meta.len);
	FUZZ_EXPECT(again.time == made->time && again.end == made->end);
}

static void same_values(enum table_id t, const struct record *r, const struct members *was)
{
	struct members is;

	record_open(t, r, &is);
	for (int i = 0; spec_fields(t)[i].name; i++) {
		FUZZ_EXPECT(!is.value[i].at == !was->value[i].at);
		if (is.value[i].at)
			fuzz_same(is.value[i], was->value[i], spec_fields(t)[i].name);
	}
}

/* `got` is the text with other progress. */
static void is_spliced(struct span got, struct span text, struct span progress, struct span other, const char *what)
{
	struct buf wanted = {0};

	buf_add(&wanted, text.at, (size_t)(progress.at - text.at));
	buf_span(&wanted, other);
	buf_add(&wanted, progress.at + progress.len, (size_t)(text.at + text.len - progress.at) - progress.len);
	fuzz_same(got, buf_as_span(&wanted), what);
	buf_free(&wanted);
}

static void check_progress(const struct record *r, struct span text, struct span progress)
{
	static _Alignas(8) char room[sizeof(struct live) + sizeof live_text];
	static const char name[] = "{\"progress\":";
	struct live *live = (struct live *)(void *)room;
	struct buf sent = {0}, alone = {0};

	*live = (struct live){.len = sizeof live_text - 1, .cap = sizeof live_text - 1, .current = 3, .total = 4};
	memcpy(live->text, live_text, sizeof live_text - 1);
	record_with_live(&sent, r, live);
	is_spliced(buf_as_span(&sent), text, progress, SPAN(live_text), "folded with live progress");
	for (int i = 0; i < 2; i++) {
		sent.len = alone.len = 0;
		record_send(&sent, TABLE_JOBS, r, i ? live : NULL, RECORD_ALL, NULL);
		record_send(&alone, TABLE_JOBS, r, i ? live : NULL, 1u << JOB_PROGRESS, NULL);
		struct span value = {alone.at + sizeof name - 1, alone.len - sizeof name};
		is_spliced(buf_as_span(&sent), text, progress, value, i ? "sent with live progress" : "sent");
	}
	buf_free(&sent);
	buf_free(&alone);
}

static void check_record(enum table_id t, struct span text)
{
	struct record_keys keys;
	struct members m;
	struct record *r = record_new(t, text, &keys);
	struct buf unpacked = {0};

	if (!r)
		return;
	FUZZ_EXPECT(members_read(t, text, NULL, &m));
	FUZZ_TRACE("%zu bytes, of which %u and %u are kept", text.len, r->head_len, r->packed_len);
	record_text(&unpacked, r);
	fuzz_same(buf_as_span(&unpacked), text, "unpacked");
	same_keys(t, r, &keys, &m);
	same_values(t, r, &m);
	if (t == TABLE_JOBS)
		check_progress(r, text, m.value[JOB_PROGRESS]);
	record_unref(r);
	buf_free(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = {bytes, size};
	unsigned way = fuzz_below(&in, 2 * TABLE_COUNT);
	enum table_id t = (enum table_id)(way % TABLE_COUNT);
	struct span text = fuzz_copy(fuzz_rest(&in));
	struct buf canonical = {0};
	struct fault fault;
	size_t at;

	ident_init();
	if (way < TABLE_COUNT)
		check_record(t, text);
	else if (record_read(&canonical, t, text, 7, false, NOW, &fault, &at))
		check_record(t, buf_as_span(&canonical));
	buf_free(&canonical);
	free((char *)text.at);
	return 0;
}
