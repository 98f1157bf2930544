#include "client/ctl/intake.h"
#include "client/ctl/complain.h"
#include <errno.h>

/* Indented text has many bytes for each that is sent. */
enum { WHITE_SPACE = 8, SHOWN_IDS = 10, ID_COLUMNS = 60 };

/* A file that is being read. */
struct opened {
	const struct file *file;
	const char *name;
	size_t number;
	int fd;
	struct source source;
	struct intake *in;
};

static void note(void *context, uint64_t at, const char *message)
{
	const struct opened *o = context;

	bar_clear(o->in->bar);
	place_tell(&(struct place){o->name, o->file, at}, "%s", message);
}

static void open_source(struct opened *o, struct intake *in)
{
	source_open(&o->source, o->fd, WINDOW_BYTES);
	o->in = in;
	o->source.depth = in->depth;
	o->source.record_max = in->record_max < SIZE_MAX / WHITE_SPACE ? in->record_max * WHITE_SPACE : SIZE_MAX;
	o->source.bare = in->bare;
	o->source.verify = in->first_time;
	o->source.note = in->first_time ? note : NULL;
	o->source.context = o;
}

static void close_opened(struct opened *o)
{
	source_close(&o->source);
	file_close(o->file, o->fd);
}

static bool wrong(const struct opened *o)
{
	bar_clear(o->in->bar);
	place_tell(&(struct place){o->name, o->file, o->source.fault.at}, "%s", o->source.fault.message);
	return false;
}

/* ---- payloads */

/* The canonical text of a payload file, into in->payload. False: told. */
static bool read_payload(struct intake *in, const struct file *file, int fd)
{
	struct opened o = {.file = file, .name = file->name, .fd = fd};
	struct source_record r;

	open_source(&o, in);
	o.source.depth = in->depth - 1;
	bool good = source_value(&o.source, &r) == SOURCE_RECORD;
	if (good) {
		in->payload.len = 0;
		scan_canonical(&in->payload, r.text);
		if (r.nan_count > 0 && in->nan)
			in->nan(in->context, &(struct place){o.name, file, 0}, &r);
	} else {
		wrong(&o);
	}
	close_opened(&o);
	return good;
}

static void append_payload(struct buf *record, struct span payload)
{
	record->len--; /* the brace */
	if (record->at[record->len - 1] != '{')
		buf_char(record, ',');
	buf_text(record, "\"payload\":");
	buf_span(record, payload);
	buf_char(record, '}');
}

static bool cannot_read(struct intake *in, const char *path)
{
	bar_clear(in->bar);
	complain("cannot read %s: %s", path, strerror(errno));
	return false;
}

/* In artifacts/ beside the file that has the record. */
static bool add_payload(struct intake *in, const struct opened *o, struct item *it)
{
	__attribute__((cleanup(buf_free))) struct buf path = {0};
	struct span payload;
	struct file file;
	int fd = -1;

	it->payload = scan_member(it->text, "payload", &payload);
	if (it->payload)
		return true;
	if (o->file->beside) {
		buf_printf(&path, "%s/artifacts/%.*s.json", o->file->beside, (int)it->id.len, it->id.at);
		buf_char(&path, '\0');
		fd = file_at(&file, path.at);
		if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
			return cannot_read(in, path.at);
	}
	if (fd < 0) {
		in->lacking++;
		return true;
	}
	if (!read_payload(in, &file, fd))
		return false;
	size_t id_at = (size_t)(it->id.at - in->text.at);
	append_payload(&in->text, buf_as_span(&in->payload));
	it->text = buf_as_span(&in->text);
	it->id.at = in->text.at + id_at;
	it->payload = true;
	return true;
}

/* ---- records */

static const char *allowed_in(enum ident i)
{
	switch (i) {
	case IDENT_JOB:
	case IDENT_RUN: return "1 to 160 of the characters A-Z a-z 0-9 _ -";
	case IDENT_ARTIFACT: return "1 to 180 of the characters a-z 0-9 _";
	case IDENT_JOB_TYPE:
	case IDENT_COUNT: break;
	}
	return ident_pattern(i);
}

/* `id` is its JSON text; absent: there is none. */
static void tell_id(struct intake *in, const struct item *it, struct span id)
{
	__attribute__((cleanup(buf_free))) struct buf shown = {0};
	const char *record = spec_record_name(it->table), *allowed = allowed_in(spec_fields(it->table)[0].ident);

	in->refused++;
	if (in->refused > SHOWN_IDS)
		return;
	bar_clear(in->bar);
	if (!id.at) {
		place_tell(&it->place, "this %s has no id: it must be a string of %s", record, allowed);
		return;
	}
	screen_cut(&shown, id, ID_COLUMNS, true);
	place_tell(&it->place, "the id of this %s is %.*s: it must be a string of %s", record, (int)shown.len,
	           shown.at, allowed);
}

/* `in->text` is the record. */
static bool read_id(struct intake *in, struct item *it)
{
	enum ident allowed = spec_fields(it->table)[0].ident;
	struct span value;
	bool there = scan_member(it->text, "id", &value);

	if (there && value.len > 2 && value.at[0] == '"') {
		it->id = (struct span){value.at + 1, value.len - 2};
		if (it->id.len <= IDENT_MAX && ident_check(allowed, it->id))
			return true;
	}
	tell_id(in, it, there ? value : (struct span){0});
	return false;
}

static bool fits(struct intake *in, const struct item *it)
{
	if (it->text.len <= in->record_max)
		return true;
	bar_clear(in->bar);
	place_tell(&it->place,
	           "%s \"%.*s\" takes %zu bytes, a call carries at most %zu (the daemon's --max-line)",
	           spec_record_name(it->table), (int)it->id.len, it->id.at, it->text.len, in->record_max);
	return false;
}

static bool take_record(struct intake *in, const struct opened *o, const struct source_record *r)
{
	struct item it = {.table = r->table, .file_number = o->number, .place = {o->name, o->file, r->at}};

	in->text.len = 0;
	scan_canonical(&in->text, r->text);
	it.text = buf_as_span(&in->text);
	if (r->nan_count > 0 && in->nan)
		in->nan(in->context, &it.place, r);
	if (!read_id(in, &it))
		return in->first_time; /* the others' ids are of interest, too */
	if (it.table == TABLE_ARTIFACTS) {
		payload_files_artifact(in->payloads, it.id);
		if (!add_payload(in, o, &it))
			return false;
	} else if (it.table == TABLE_RUNS) {
		payload_files_run(in->payloads, it.text);
	}
	return fits(in, &it) && in->item(in->context, &it);
}

static bool read_records(struct intake *in, struct opened *o)
{
	struct source_record r;
	enum source_next next;
	bool any = false;

	while ((next = source_next(&o->source, &r)) == SOURCE_RECORD) {
		any = true;
		if (!take_record(in, o, &r))
			return false;
		bar_set(in->bar, in->passed + r.at);
	}
	if (next == SOURCE_WRONG)
		return wrong(o);
	if (!any && in->first_time) {
		bar_clear(in->bar);
		complain("%s holds no records", o->name);
	}
	return true;
}

static bool read_file(struct intake *in, size_t number)
{
	const struct file *file = &in->files->at[number];
	struct opened o = {.file = file, .name = file->name, .number = number, .fd = file_open(file)};

	if (o.fd < 0)
		return false;
	open_source(&o, in);
	bool good = read_records(in, &o);
	close_opened(&o);
	in->passed += file->size;
	return good;
}

/* ---- payload files without a record */

static bool take_payload_file(struct intake *in, const struct payload_file *f)
{
	struct file file;
	int fd = file_at(&file, f->path);

	if (fd < 0)
		return cannot_read(in, f->path);
	/* the name, but not the file, lives on in the place */
	struct item it = {.table = TABLE_ARTIFACTS, .payload = true, .file_number = in->files->count,
	                  .place = {.name = f->path}};
	if (!read_payload(in, &file, fd))
		return false;
	in->text.len = 0;
	payload_file_record(&in->text, f, &file, buf_as_span(&in->payload));
	it.text = buf_as_span(&in->text);
	return read_id(in, &it) && fits(in, &it) && in->item(in->context, &it);
}

static bool read_payload_files(struct intake *in)
{
	for (size_t i = 0; i < in->payloads->count; i++) {
		const struct payload_file *f = &in->payloads->at[i];
		if (!f->has_record && f->run_id && !take_payload_file(in, f))
			return false;
	}
	return true;
}

bool intake_run(struct intake *in)
{
	in->passed = in->lacking = in->refused = 0;
	for (size_t i = 0; i < in->files->count; i++)
		if (!read_file(in, i))
			return false;
	bool good = read_payload_files(in);
	if (in->refused > SHOWN_IDS)
		complain("… and %llu more ids that cannot be taken", (unsigned long long)(in->refused - SHOWN_IDS));
	return good && in->refused == 0;
}

void intake_free(struct intake *in)
{
	buf_free(&in->text);
	buf_free(&in->payload);
}
