#include "daemon/segment_read.h"
#include "daemon/finding.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define NUMBER_MAX ((int64_t)1 << 62)
enum { HEAD_BYTES = 1024 };

enum member {
	MEMBER_STORE,
	MEMBER_SEQ,
	MEMBER_PREV,
	MEMBER_FIRST,
	MEMBER_LAST,
	MEMBER_CHANGED,
	MEMBER_WITHOUT,
	MEMBER_AT,
	MEMBER_DELETED,
	MEMBER_SUM,
	MEMBER_TABLES,
	MEMBERS = MEMBER_TABLES + TABLE_COUNT
};
static const char *const member_names[MEMBER_TABLES] = {"store",   "seq",     "prev", "first",   "last",
                                                        "changed", "without", "at",   "deleted", "xxh3"};

/* What is needed to say where something is wrong. */
struct place {
	struct segment_read *s;
	struct load_finding *finding;
};

static void set_position(struct place *p, const char *at)
{
	uint64_t byte = (uint64_t)(at - p->s->text.at);
	p->finding->byte = byte;
	p->finding->line = 1;
	for (const char *c = p->s->text.at; c < at && (c = memchr(c, '\n', (size_t)(at - c))); c++)
		p->finding->line++;
}

__attribute__((format(printf, 3, 4))) static bool wrong_at(struct place *p, const char *at,
                                                           const char *format, ...)
{
	char message[sizeof p->finding->message];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	finding_set(p->finding, p->s->file, "%s", message);
	set_position(p, at);
	return false;
}

/* ---- reading the bytes */

static bool read_bytes(struct place *p, struct disk *d, const struct disk_dir *journal, const char *name)
{
	struct buf *text = &p->s->text;
	uint64_t size;
	int fd = disk_open(d, journal, name, &size);
	if (fd < 0) {
		finding_set(p->finding, p->s->file,
		            errno == ENOENT ? "is missing; " FINDING_RESTORE : "cannot be opened: %s",
		            strerror(errno));
		return false;
	}
	text->len = 0;
	ssize_t n = disk_read(d, fd, buf_room(text, (size_t)size + 1), (size_t)size, 0);
	int number = errno;
	disk_close(d, fd);
	if (n < 0) {
		finding_set(p->finding, p->s->file, "cannot be read: %s", strerror(number));
		return false;
	}
	text->len = (size_t)n;
	text->at[n] = '\0';
	return n > 0 || wrong_at(p, text->at, "is empty: segments never are; " FINDING_RESTORE);
}

/* The whole text, by the scanner. */
static bool check_text(struct place *p, bool sum_is_wrong)
{
	struct scan_report report;
	struct span text = buf_as_span(&p->s->text);
	enum scan_result result = scan_check(text, SCAN_DEPTH_FILE, &report);
	if (result == SCAN_OK)
		return true;
	finding_set(p->finding, p->s->file, "%s", "");
	finding_add_scan(p->finding, text, true, result, &report);
	if (sum_is_wrong)
		finding_add(p->finding, "; and " FINDING_SUM);
	set_position(p, text.at + report.at);
	return false;
}

/* ---- the members */

static bool is_whole(struct span value, uint64_t *number)
{
	int64_t n;
	double real;
	if (scan_number(value, &n, &real) != SCAN_INT || n < 0 || n > NUMBER_MAX)
		return false;
	*number = (uint64_t)n;
	return true;
}

static bool read_whole(struct place *p, struct span name, struct span value, uint64_t *number)
{
	return is_whole(value, number) ||
	       wrong_at(p, value.at, "\"%.*s\" has to be a whole number of at least 0", (int)name.len, name.at);
}

static int which_table(struct span name)
{
	for (int t = 0; t < TABLE_COUNT; t++)
		if (scan_name_is(name, spec_table_name((enum table_id)t)))
			return t;
	return -1;
}

static bool read_revisions(struct place *p, struct span object, uint64_t revisions[TABLE_COUNT])
{
	struct span name, value;
	if (scan_kind(object) != SCAN_OBJECT)
		return wrong_at(p, object.at, "expected an object of revisions");
	struct scan_iter it = scan_members(object);
	while (scan_next_member(&it, &name, &value)) {
		int t = which_table(name);
		if (t < 0)
			return wrong_at(p, name.at - 1,
			                "expected the name of a table; a newer persistd may have written the file");
		if (!read_whole(p, name, value, &revisions[t]))
			return false;
	}
	return true;
}

static bool read_store(struct place *p, struct span value)
{
	static const char digits[] = "0123456789abcdefABCDEF-";
	if (value.len != STORE_ID_LEN + 2 || value.at[0] != '"' || strspn(value.at + 1, digits) != STORE_ID_LEN)
		return wrong_at(p, value.at, "\"store\" has to be a UUID, as the other files state it");
	memcpy(p->s->head.store, value.at + 1, STORE_ID_LEN);
	return true;
}

/* Where it was not compared already: over every byte before the comma that precedes it. */
static bool read_sum(struct place *p, struct span name, struct span value)
{
	uint64_t sum;
	const char *comma = name.at - 2;
	if (!finding_sum_of(value, &sum))
		return wrong_at(p, value.at,
		                "\"xxh3\" has to be 16 lower-case hex digits: the file is damaged; " FINDING_RESTORE);
	if (p->s->trusted)
		return true;
	while (comma > p->s->text.at && *comma != ',')
		comma--;
	if (XXH3_64bits(p->s->text.at, (size_t)(comma - p->s->text.at)) != sum)
		return wrong_at(p, name.at - 1, FINDING_SUM);
	return true;
}

static bool read_table(struct place *p, enum table_id t, struct span value)
{
	if (scan_kind(value) != SCAN_ARRAY)
		return wrong_at(p, value.at, "\"%s\" has to be an array", spec_table_name(t));
	struct scan_iter it = scan_elements(value);
	struct span element;
	p->s->tables[t] = value;
	if (scan_next_element(&it, &element))
		p->s->head.tables |= (uint8_t)(1u << t);
	return true;
}

static bool read_id_list(struct place *p, enum table_id t, struct span list)
{
	struct span value, id;
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	if (scan_kind(list) != SCAN_ARRAY)
		return wrong_at(p, list.at, "expected an array of ids");
	struct scan_iter it = scan_elements(list);
	while (scan_next_element(&it, &value)) {
		scratch.len = 0;
		if (!scan_string(value, &scratch, &id) || id.len > IDENT_MAX ||
		    !ident_check(spec_fields(t)->ident, id))
			return wrong_at(p, value.at, "expected an id of %s: %s", spec_table_name(t),
			                ident_pattern(spec_fields(t)->ident));
		p->s->head.tables |= (uint8_t)(1u << t);
	}
	return true;
}

static bool read_deleted(struct place *p, struct span object)
{
	struct span name, value;
	if (scan_kind(object) != SCAN_OBJECT)
		return wrong_at(p, object.at, "\"deleted\" has to be an object");
	struct scan_iter it = scan_members(object);
	p->s->deleted = object;
	while (scan_next_member(&it, &name, &value)) {
		int t = which_table(name);
		if (t < 0)
			return wrong_at(p, name.at - 1,
			                "expected the name of a table; a newer persistd may have written the file");
		if (!read_id_list(p, (enum table_id)t, value))
			return false;
	}
	return true;
}

static int which_member(struct span name)
{
	int t = which_table(name);
	if (t >= 0)
		return MEMBER_TABLES + t;
	for (int m = 0; m < MEMBER_TABLES; m++)
		if (scan_name_is(name, member_names[m]))
			return m;
	return MEMBERS;
}

static bool read_member(struct place *p, int m, struct span name, struct span value)
{
	struct segment_head *head = &p->s->head;
	switch (m) {
	case MEMBER_STORE:
		return read_store(p, value);
	case MEMBER_SEQ:
		return read_whole(p, name, value, &head->seq);
	case MEMBER_PREV:
		return read_whole(p, name, value, &head->prev);
	case MEMBER_FIRST:
		return read_whole(p, name, value, &head->first);
	case MEMBER_LAST:
		return read_whole(p, name, value, &head->last);
	case MEMBER_CHANGED:
		p->s->has_changed = true;
		return read_revisions(p, value, head->changed);
	case MEMBER_WITHOUT:
		return read_revisions(p, value, head->without);
	case MEMBER_AT:
		return true;
	case MEMBER_DELETED:
		return read_deleted(p, value);
	case MEMBER_SUM:
		return read_sum(p, name, value);
	case MEMBERS:
		return wrong_at(p, name.at - 1,
		                finding_almost_sum(name)
		                    ? "this looks like the member \"xxh3\" with a damaged name; " FINDING_RESTORE
		                    : "segments have no such member; a newer persistd may have written the file");
	default:
		return read_table(p, (enum table_id)(m - MEMBER_TABLES), value);
	}
}

/* *bad: the text is no JSON (only where nobody has checked it yet). */
static bool read_members(struct place *p, unsigned *seen, bool *bad)
{
	struct span text = buf_as_span(&p->s->text), name, value;
	size_t skip = strspn(text.at, " \n\t\r"); /* ended by the NUL behind the text */
	text = (struct span){text.at + skip, text.len - skip};
	if (scan_kind(text) != SCAN_OBJECT)
		return wrong_at(p, text.at, "expected an object, {");
	struct scan_iter it = scan_members(text);
	while (scan_next_member(&it, &name, &value)) {
		int m = which_member(name);
		if (m < MEMBERS && *seen >> m & 1)
			return wrong_at(p, name.at - 1, "this member stands twice in the segment");
		if (*seen >> MEMBER_SUM & 1)
			return wrong_at(p, name.at - 1,
			                "\"xxh3\" has to be the last member: this one was added by hand. Remove "
			                "\"xxh3\", too, if that was on purpose");
		if (!read_member(p, m, name, value))
			return false;
		*seen |= 1u << m;
	}
	*bad = it.bad;
	return true;
}

static bool judge_head(struct place *p, uint64_t seq, unsigned seen, const char *store)
{
	struct segment_head *head = &p->s->head;
	const char *start = p->s->text.at;
	for (int m = MEMBER_STORE; m <= MEMBER_LAST; m++)
		if (!(seen >> m & 1))
			return wrong_at(p, start, "the segment has no \"%s\"", member_names[m]);
	if (head->seq != seq)
		return wrong_at(p, start,
		                "the segment says that its number is %llu, another one than its name: it was renamed "
		                "or copied",
		                (unsigned long long)head->seq);
	if (store && *store && strcmp(store, head->store) != 0)
		return wrong_at(p, start,
		                "belongs to another store (%s, not %s): it was copied here from elsewhere. "
		                "Remove it, or restore the whole directory from one backup",
		                head->store, store);
	if (!p->s->trusted && (head->last > REVISION_STATED_MAX || head->seq > REVISION_STATED_MAX))
		return wrong_at(p, start, "the segment's \"last\" and \"seq\" have to be at most 2^53, so that numbers can go on");
	if (head->prev >= head->seq || head->first < 1 || head->last + 1 < head->first)
		return wrong_at(p, start,
		                "the numbers of the segment do not fit together: prev has to be below seq, first at "
		                "most last + 1");
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (!p->s->has_changed)
			head->changed[t] = head->first - 1;
		if (head->changed[t] >= head->first)
			return wrong_at(p, start, "the segment's \"changed\" has to be below its \"first\"");
		if (head->without[t] > head->last)
			return wrong_at(p, start, "the segment's \"without\" has to be at most its \"last\"");
	}
	return true;
}

/* ---- an id twice */

struct id_place {
	enum table_id table;
	struct span id;
};

static int compare_ids(const void *a, const void *b)
{
	const struct id_place *x = a, *y = b;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	size_t len = x->id.len < y->id.len ? x->id.len : y->id.len;
	int order = memcmp(x->id.at, y->id.at, len);
	if (order != 0)
		return order;
	return x->id.len < y->id.len ? -1 : x->id.len > y->id.len;
}

static void add_id(struct buf *ids, enum table_id t, struct span value)
{
	struct id_place place = {t, value};
	if (value.at && value.len > 0)
		buf_add(ids, &place, sizeof place);
}

/* As they stand in the file, quotes included. */
static void gather_ids(const struct segment_read *s, struct buf *ids)
{
	struct span element, name, id;
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (!s->tables[t].at)
			continue;
		struct scan_iter it = scan_elements(s->tables[t]);
		while (scan_next_element(&it, &element))
			if (scan_member(element, "id", &id))
				add_id(ids, (enum table_id)t, id);
	}
	if (!s->deleted.at)
		return;
	for (struct scan_iter it = scan_members(s->deleted); scan_next_member(&it, &name, &id);)
		for (struct scan_iter list = scan_elements(id); scan_next_element(&list, &element);)
			add_id(ids, (enum table_id)which_table(name), element);
}

static bool ids_differ(struct place *p)
{
	__attribute__((cleanup(buf_free))) struct buf ids = {0};
	gather_ids(p->s, &ids);
	size_t count = ids.len / sizeof(struct id_place);
	struct id_place *all = (struct id_place *)(void *)ids.at;
	if (count < 2)
		return true;
	qsort(all, count, sizeof *all, compare_ids);
	for (size_t i = 1; i < count; i++) {
		struct span one = all[i - 1].id, other = all[i].id;
		if (compare_ids(&all[i - 1], &all[i]) != 0)
			continue;
		return wrong_at(p, one.at > other.at ? one.at : other.at, "the id %.*s stands twice in this segment",
		                one.len < 200 ? (int)one.len : 200, one.at);
	}
	return true;
}

/* ---- the whole */

static bool verify(struct place *p, uint64_t seq, const char *store)
{
	struct segment_read *s = p->s;
	struct span text = buf_as_span(&s->text);
	uint64_t sum;
	size_t covered = 0;
	unsigned seen = 0;
	bool has_sum = finding_sum_at_end(text, &sum, &covered), bad = false;
	s->trusted = has_sum && XXH3_64bits(text.at, covered) == sum;
	if (!s->trusted && !check_text(p, has_sum))
		return false;
	if (!read_members(p, &seen, &bad))
		return false;
	if (s->trusted && (bad || !(seen >> MEMBER_SUM & 1))) {
		/* Somebody has put a checksum under what is no JSON. */
		if (check_text(p, false))
			wrong_at(p, text.at, "is not a segment as persistd writes it");
		return false;
	}
	return judge_head(p, seq, seen, store) && ids_differ(p);
}

bool segment_read(struct segment_read *s, struct disk *d, const struct disk_dir *journal, uint64_t seq,
                  const char *store, struct load_finding *finding)
{
	struct buf text = s->text;
	struct place p = {s, finding};
	char name[SEGMENT_NAME_LEN + 1];
	*s = (struct segment_read){.text = text};
	segment_name(seq, name);
	snprintf(s->file, sizeof s->file, "journal/%s", name);
	return read_bytes(&p, d, journal, name) && verify(&p, seq, store);
}

void segment_read_free(struct segment_read *s)
{
	buf_free(&s->text);
}

/* The sink refuses trusted text that is not canonical: the checksum is another program's. Then the text is
 * checked, and from there on taken as anyone's. */
static bool replay_record(struct place *p, enum table_id t, struct span text, const struct load_sink *sink)
{
	struct segment_read *s = p->s;
	struct fault fault = {0};
	size_t at = 0;
	if (s->trusted) {
		if (sink->put(sink->context, t, text, true, &fault, &at))
			return true;
		s->trusted = false;
		if (!check_text(p, false))
			return false;
	}
	struct span revision;
	uint64_t n;
	if (scan_member(text, "revision", &revision) && is_whole(revision, &n) &&
	    (n < s->head.first || n > s->head.last))
		return wrong_at(p, revision.at, "the record's revision is outside of the segment's, %llu to %llu",
		                (unsigned long long)s->head.first, (unsigned long long)s->head.last);
	if (sink->put(sink->context, t, text, false, &fault, &at))
		return true;
	finding_set(p->finding, s->file, "%s", "");
	finding_add_fault(p->finding, &fault);
	set_position(p, text.at + at);
	return false;
}

static bool replay_deletions(struct place *p, uint8_t tables, const struct load_sink *sink)
{
	struct span name, list, value, id;
	__attribute__((cleanup(buf_free))) struct buf scratch = {0};
	for (struct scan_iter it = scan_members(p->s->deleted); scan_next_member(&it, &name, &list);) {
		int t = which_table(name);
		assert(t >= 0); /* segment_read has refused others */
		if (!(tables >> t & 1))
			continue;
		for (struct scan_iter ids = scan_elements(list); scan_next_element(&ids, &value);) {
			struct fault fault = {0};
			scratch.len = 0;
			if (!scan_string(value, &scratch, &id) ||
			    sink->remove(sink->context, (enum table_id)t, id, &fault))
				continue;
			wrong_at(p, value.at, "%s", "");
			finding_add_fault(p->finding, &fault);
			return false;
		}
	}
	return true;
}

bool segment_replay(struct segment_read *s, uint8_t tables, const struct load_sink *sink,
                    struct load_finding *finding)
{
	struct place p = {s, finding};
	struct span text;
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (!(tables >> t & 1) || !s->tables[t].at)
			continue;
		for (struct scan_iter it = scan_elements(s->tables[t]); scan_next_element(&it, &text);)
			if (!replay_record(&p, (enum table_id)t, text, sink))
				return false;
	}
	return !s->deleted.at || replay_deletions(&p, tables, sink);
}

bool load_segment_file(struct disk *d, const struct disk_dir *journal, uint64_t seq, const char *store,
                       const struct load_sink *sink, struct segment_head *head, struct load_finding *finding)
{
	__attribute__((cleanup(segment_read_free))) struct segment_read s = {0};
	if (!segment_read(&s, d, journal, seq, store, finding))
		return false;
	*head = s.head;
	return segment_replay(&s, (1u << TABLE_COUNT) - 1, sink, finding);
}

/* ---- the head alone */

static const char *skip_literal(const char *at, const char *literal)
{
	size_t len = strlen(literal);
	return at && strncmp(at, literal, len) == 0 ? at + len : NULL;
}

static const char *skip_number(const char *at, const char *literal, uint64_t *number)
{
	at = skip_literal(at, literal);
	size_t digits = at ? strspn(at, "0123456789") : 0;
	if (digits == 0 || !is_whole((struct span){at, digits}, number))
		return NULL;
	return at + digits;
}

static const char *skip_revisions(const char *at, const char *literal, uint64_t revisions[TABLE_COUNT])
{
	at = skip_literal(at, literal);
	for (int t = 0; t < TABLE_COUNT; t++) {
		char name[32];
		snprintf(name, sizeof name, "%c\"%s\":", t == 0 ? '{' : ',', spec_table_name((enum table_id)t));
		at = skip_number(at, name, &revisions[t]);
	}
	return skip_literal(at, "}");
}

static bool head_of(const char *at, struct segment_head *head)
{
	at = skip_literal(at, "{\"store\":\"");
	if (!at || strnlen(at, STORE_ID_LEN) < STORE_ID_LEN)
		return false;
	memcpy(head->store, at, STORE_ID_LEN);
	at = skip_number(at + STORE_ID_LEN, "\",\"seq\":", &head->seq);
	at = skip_number(at, ",\"prev\":", &head->prev);
	at = skip_number(at, ",\"first\":", &head->first);
	at = skip_number(at, ",\"last\":", &head->last);
	at = skip_revisions(at, ",\"changed\":", head->changed);
	if (skip_literal(at, ",\"without\":"))
		at = skip_revisions(at, ",\"without\":", head->without);
	return skip_literal(at, ",\"at\":");
}

bool segment_read_head(struct disk *d, const struct disk_dir *journal, uint64_t seq,
                       struct segment_head *head, uint64_t *bytes)
{
	char name[SEGMENT_NAME_LEN + 1], start[HEAD_BYTES + 1];
	*head = (struct segment_head){0};
	segment_name(seq, name);
	int fd = disk_open(d, journal, name, bytes);
	if (fd < 0)
		return false;
	ssize_t n = disk_read(d, fd, start, HEAD_BYTES, 0);
	disk_close(d, fd);
	if (n <= 0)
		return false;
	start[n] = '\0';
	return head_of(start, head) && head->seq == seq && head->prev < seq && head->first >= 1 &&
	       head->last + 1 >= head->first;
}
