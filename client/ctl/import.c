#include "client/ctl/import.h"
#include "client/ctl/complain.h"
#include "client/ctl/dangling.h"
#include "client/ctl/help.h"
#include "client/ctl/intake.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/print.h"
#include "client/ctl/seen.h"
#include "client/ctl/shipment.h"

/* line, params, list: what a record is nested in */
enum { LEVELS_AROUND = 3, CALL_SECONDS = 300, SHOWN_REFUSED = 10, SHOWN_REPLACED = 100, SHOWN_FILES = 10 };

static const char *const nan_choices[] = {"refuse", "null", NULL};

const struct flag import_flags[] = {
	{.name = "dry-run", .letter = 'n',
	 .prose = "Judges everything, here and in the daemon, and stores nothing."},
	{.name = "replace", .prose = "A record whose id is taken replaces the stored one. Else it is left out."},
	{.name = "nan", .argument = "WHAT", .choices = nan_choices,
	 .prose = "What becomes of NaN and Infinity: refuse (the default), or null in their place."},
	{.name = "jobs", .prose = "Records that stand by themselves are jobs. Else their fields tell."},
	{.name = "runs", .prose = "They are runs."},
	{.name = "artifacts", .prose = "They are artifacts."},
	{.name = "json", .prose = "The counts as JSON."},
	{.name = "timeout", .letter = 't', .argument = "SECONDS",
	 .prose = "How long to wait for the daemon's answer to each call, which has up to 1,000 records or 1 MiB; "
	          "not for the whole import. Seconds, or 500ms, 2m. Default 300."},
	{.name = NULL},
};

const struct operand import_operands[] = {
	{.name = "FILE", .required = true, .many = true, .offer = OFFER_FILE,
	 .prose = "jobs.json, runs.json, artifacts.json, an export, JSON lines; their directory; - is stdin."},
	{.name = NULL},
};

struct import {
	struct invocation *i;
	bool replace, dry_run, nan_null;
	enum table_id bare;
	struct files files;
	struct payload_files payloads;
	struct bar bar;
	struct intake intake;
	struct shipment shipment;

	/* What the first reading has found. */
	struct seen seen;
	uint64_t records, again; /* again: whose id was in an earlier file, too */
	uint64_t nan_values, nan_records;
	uint64_t odd[TABLE_COUNT]; /* with a status that nobody knows */

	bool may_store;            /* something may be on its way */
	uint64_t in_words;         /* records that interrupt_words() speaks of */
	struct dangling dangling;
	struct seen sent;          /* a dry run stores nothing, so that it has to know what it would have */
};

/* ---- the first reading */

static void tell_nan(void *context, const struct place *place, const struct source_record *r)
{
	struct import *in = context;
	uint64_t most = in->nan_null ? SHOWN_REPLACED : SHOWN_REFUSED;
	struct span id = {0};

	in->nan_records++;
	if (r->table < TABLE_COUNT)
		scan_member(r->text, "id", &id);
	for (size_t n = 0; n < r->nan_count; n++) {
		__attribute__((cleanup(buf_free))) struct buf path = {0};
		if (in->nan_values++ >= most)
			continue;
		source_nan_path(&path, r, n);
		bar_clear(&in->bar);
		place_tell(&(struct place){place->name, place->file, r->nans[n].at}, "%s%s%.*s%s%.*s is %s%s",
		           id.at ? spec_record_name(r->table) : "", id.at ? " " : "", (int)id.len, id.at ? id.at : "",
		           id.at ? ": " : "", (int)path.len, path.at ? path.at : "", r->nans[n].word,
		           in->nan_null ? ", stored as null" : "");
	}
}

static bool is_known_status(enum table_id t, struct span status)
{
	for (const char *const *s = t == TABLE_JOBS ? spec_job_statuses : spec_run_statuses; *s; s++)
		if (span_is(status, span_of(*s)))
			return true;
	return false;
}

static void judge_status(struct import *in, const struct item *it)
{
	struct span value;

	if (it->table == TABLE_ARTIFACTS || !scan_member(it->text, "status", &value) || value.len < 2 ||
	    value.at[0] != '"' || is_known_status(it->table, (struct span){value.at + 1, value.len - 2}))
		return;
	if (in->odd[it->table]++ > 0)
		return;
	bar_clear(&in->bar);
	place_tell(&it->place,
	           "%s \"%.*s\" has a status that nobody knows, %.*s: it is kept, and counts as not ended",
	           spec_record_name(it->table), (int)it->id.len, it->id.at, (int)value.len, value.at);
}

/* Reads the file again up to the record, for one of its table and id. */
static bool find_first(const struct import *in, const struct item *it, uint64_t *at)
{
	struct source s;
	struct source_record r;
	struct span id;
	bool found = false;
	int fd = file_open(it->place.file);

	if (fd < 0)
		return false;
	source_open(&s, fd, WINDOW_BYTES);
	s.bare = in->bare;
	while (!found && source_next(&s, &r) == SOURCE_RECORD && r.at < it->place.at) {
		found = r.table == it->table && scan_member(r.text, "id", &id) && id.len == it->id.len + 2 &&
			span_is((struct span){id.at + 1, id.len - 2}, it->id);
		*at = r.at;
	}
	source_close(&s);
	file_close(it->place.file, fd);
	return found;
}

/* False: the file has this id twice, which has been told. */
static bool judge_id(struct import *in, const struct item *it)
{
	uint64_t first;

	switch (seen_add(&in->seen, it->table, it->id, (uint32_t)it->file_number)) {
	case SEEN_NEVER:
		return true;
	case SEEN_EARLIER:
		in->again++;
		return true;
	case SEEN_IN_THIS_FILE:
		break;
	}
	if (!it->place.file || !find_first(in, it, &first))
		return true;
	bar_clear(&in->bar);
	place_tell(&it->place, "%s \"%.*s\" stands twice in this file, first at byte %llu: remove one of them",
	           spec_record_name(it->table), (int)it->id.len, it->id.at, (unsigned long long)first + 1);
	return false;
}

static bool judge(void *context, const struct item *it)
{
	struct import *in = context;

	in->records++;
	judge_status(in, it);
	if (it->payload)
		dangling_payload(&in->dangling, it->id);
	return judge_id(in, it) && !interrupt_asked();
}

static void tell_left_out(const struct import *in)
{
	uint64_t left = 0;

	for (size_t n = 0; n < in->payloads.count; n++) {
		const struct payload_file *f = &in->payloads.at[n];
		if (f->has_record || f->run_id)
			continue;
		if (left++ < SHOWN_FILES)
			complain("%s is left out: there is no record of it, and no run names it", f->path);
	}
	if (left > SHOWN_FILES)
		complain("… and %llu more payload files", (unsigned long long)left - SHOWN_FILES);
}

static void tell_judged(const struct import *in)
{
	uint64_t shown = in->nan_null ? SHOWN_REPLACED : SHOWN_REFUSED;

	if (in->nan_values > shown)
		complain("… and %llu more", (unsigned long long)(in->nan_values - shown));
	if (in->nan_values > 0)
		complain("NaN and Infinity: %llu in %llu records, %s", (unsigned long long)in->nan_values,
		         (unsigned long long)in->nan_records,
		         in->nan_null ? "null in their place"
		                      : "which are no JSON; --nan=null stores null in their place");
	for (int t = 0; t < TABLE_COUNT; t++)
		if (in->odd[t] > 1)
			complain("%llu %s have a status that nobody knows", (unsigned long long)in->odd[t],
			         spec_table_name((enum table_id)t));
	if (in->again > 0)
		complain("%llu ids stand in more than one file: the %s one counts", (unsigned long long)in->again,
		         in->replace ? "last" : "first");
	if (in->intake.lacking > 0)
		complain("%llu artifacts come without their payload: only their records are imported",
		         (unsigned long long)in->intake.lacking);
	tell_left_out(in);
}

static bool judge_all(struct import *in)
{
	in->intake.first_time = true;
	in->intake.item = judge;
	in->intake.nan = tell_nan;
	bar_start(&in->bar, "checking", in->files.bytes);
	bool good = intake_run(&in->intake);
	bar_end(&in->bar);
	if (interrupt_asked()) {
		complain("interrupted: nothing was imported");
		return false;
	}
	if (good)
		tell_judged(in);
	if (good && (in->nan_values == 0 || in->nan_null))
		return true;
	complain("nothing was imported");
	return false;
}

/* ---- the second reading */

static uint64_t stored(const struct import *in, enum table_id t)
{
	return in->shipment.of[t].imported + in->shipment.of[t].replaced;
}

/* In case that the command itself does not come to say it. */
static void leave_words(struct import *in)
{
	uint64_t all = stored(in, TABLE_JOBS) + stored(in, TABLE_RUNS) + stored(in, TABLE_ARTIFACTS);

	if (in->dry_run || (all == in->in_words && in->may_store))
		return;
	in->may_store = true;
	in->in_words = all;
	interrupt_words("at least %llu records were imported and stay; the same command, once more, goes on from "
	                "there", (unsigned long long)all);
}

static bool send_item(void *context, const struct item *it)
{
	struct import *in = context;

	if (interrupt_asked())
		return false;
	leave_words(in);
	if (it->table == TABLE_RUNS)
		dangling_run(&in->dangling, it->text);
	if (in->dry_run && in->again > 0 &&
	    seen_add(&in->sent, it->table, it->id, (uint32_t)it->file_number) != SEEN_NEVER) {
		if (in->replace && !it->payload)
			in->shipment.of[it->table].replaced++;
		else
			in->shipment.of[it->table].kept++;
		return true;
	}
	return shipment_add(&in->shipment, it->table, it->text, it->payload, it->place);
}

static void tell_unfinished(const struct import *in)
{
	const char *why = interrupt_asked() ? "interrupted: " : "";
	unsigned long long jobs = stored(in, TABLE_JOBS), runs = stored(in, TABLE_RUNS),
					   artifacts = stored(in, TABLE_ARTIFACTS);

	if (in->dry_run)
		complain("%sdry run: nothing was stored", why);
	else if (jobs + runs + artifacts == 0 && !in->shipment.unknown)
		complain("%snothing was imported", why);
	else
		complain("%s%s%llu jobs, %llu runs and %llu artifacts were imported and stay; the same command, once "
		         "more, goes on from there", why, in->shipment.unknown ? "at least " : "", jobs, runs,
		         artifacts);
}

static enum exit_status send_all(struct import *in)
{
	in->intake.first_time = false;
	in->intake.item = send_item;
	in->intake.nan = NULL;
	bar_start(&in->bar, "importing", in->files.bytes);
	bool read = intake_run(&in->intake);
	if (interrupt_asked())
		shipment_stop(&in->shipment);
	enum exit_status status = shipment_finish(&in->shipment);
	bar_end(&in->bar);
	if (status == EXIT_OK && !read)
		status = EXIT_FAILED;
	if (status != EXIT_OK)
		tell_unfinished(in);
	return status;
}

/* ---- what came of it */

static void write_json(struct buf *out, const struct import *in, bool complete)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct shipped *of = &in->shipment.of[t];
		buf_printf(out, "%s\"%s\":{\"imported\":%llu,\"replaced\":%llu,\"already_there\":%llu}",
		           t ? "," : "{", spec_table_name((enum table_id)t), (unsigned long long)of->imported,
		           (unsigned long long)of->replaced, (unsigned long long)of->kept);
	}
	buf_printf(out, ",\"nan_replaced\":%llu,\"dry_run\":%s,\"complete\":%s}\n",
	           (unsigned long long)(in->nan_null ? in->nan_values : 0), in->dry_run ? "true" : "false",
	           complete ? "true" : "false");
}

static void write_lines(struct buf *out, const struct import *in)
{
	const char *would = in->dry_run ? "would be " : "";

	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct shipped *of = &in->shipment.of[t];
		if (of->imported + of->replaced + of->kept == 0)
			continue;
		buf_printf(out, "%s: %llu %simported, ", spec_table_name((enum table_id)t),
		           (unsigned long long)of->imported, would);
		if (in->replace)
			buf_printf(out, "%llu %sreplaced, ", (unsigned long long)of->replaced, would);
		buf_printf(out, "%llu already there\n", (unsigned long long)of->kept);
	}
}

static enum exit_status summarize(struct import *in, enum exit_status status)
{
	__attribute__((cleanup(buf_free))) struct buf out = {0};

	if (given_on(&in->i->given, "json"))
		write_json(&out, in, status == EXIT_OK);
	else if (status == EXIT_OK)
		write_lines(&out, in);
	bool missing = status == EXIT_OK && dangling_tell(&in->dangling, &in->i->session) > 0;
	if (missing && in->files.directory_count == 0)
		complain("payloads come along from artifacts/ beside runs.json, where the directory is imported");
	if (status == EXIT_OK && in->dry_run)
		complain("dry run: nothing was stored");
	enum exit_status printed = print_buf(&out);
	return status == EXIT_OK ? printed : status;
}

/* ---- what was typed */

/* False: told. */
static bool read_bare(struct import *in)
{
	unsigned said = 0;

	in->bare = SOURCE_BARE;
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (!given_on(&in->i->given, spec_table_name((enum table_id)t)))
			continue;
		in->bare = (enum table_id)t;
		said++;
	}
	if (said > 1)
		complain_usage("import", "import: only one of --jobs, --runs and --artifacts can hold for records "
		                         "that stand by themselves");
	return said <= 1;
}

static uint64_t limit_of(struct span limits, const char *name, uint64_t otherwise)
{
	struct span value;
	int64_t whole;
	double real;

	if (scan_member(limits, name, &value) && scan_number(value, &whole, &real) == SCAN_INT && whole > 0)
		return (uint64_t)whole;
	return otherwise;
}

/* The daemon says what a line may be; first of all, it must be there. */
static enum exit_status ask_limits(struct import *in)
{
	persist_result *r;
	struct span reply, limits = SPAN("{}");
	enum exit_status status = session_call(&in->i->session, "server.info", (struct span){0}, &r);

	if (status != EXIT_OK)
		return status;
	reply.at = persist_result_text(r, &reply.len);
	scan_member(reply, "limits", &limits);
	in->shipment.line_max = limit_of(limits, "line_bytes", 16 << 20);
	uint64_t levels = limit_of(limits, "nesting", SCAN_DEPTH_WIRE);
	in->intake.depth = levels > LEVELS_AROUND + 1 ? (unsigned)levels - LEVELS_AROUND : 2;
	if (in->intake.depth > SCAN_DEPTH_FILE)
		in->intake.depth = SCAN_DEPTH_FILE;
	in->intake.record_max = shipment_room(&in->shipment);
	persist_result_free(r);
	return EXIT_OK;
}

/* A call waits for those before it, and each may be a thousand fsyncs. */
static void give_time(struct session *s)
{
	if (s->timeout > 0)
		return;
	s->timeout = CALL_SECONDS;
	persist_set_timeout(session_client(s), CALL_SECONDS * 1000);
}

static enum exit_status carry_out(struct import *in)
{
	interrupt_words("nothing was imported");
	interrupt_defer();
	enum exit_status status = ask_limits(in);

	if (status == EXIT_OK)
		status = files_collect(&in->files, in->i->given.operands, in->i->given.operand_count);
	if (status != EXIT_OK)
		return status;
	for (size_t d = 0; d < in->files.directory_count; d++)
		payload_files_list(&in->payloads, in->files.directories[d]);
	if (!judge_all(in))
		return interrupt_asked() ? EXIT_INTERRUPTED : EXIT_FAILED;
	give_time(&in->i->session);
	return summarize(in, send_all(in));
}

enum exit_status import_run(struct invocation *i)
{
	struct import in = {.i = i, .replace = given_on(&i->given, "replace"),
	                    .dry_run = given_on(&i->given, "dry-run")};
	const char *nan = given_text(&i->given, "nan");

	if (i->given.operand_count == 0)
		return help_missing(i->command, "import: which FILE? (- is stdin)");
	if (!read_bare(&in))
		return EXIT_USAGE;
	in.nan_null = nan && strcmp(nan, "null") == 0;
	in.intake = (struct intake){.files = &in.files, .payloads = &in.payloads, .bar = &in.bar, .bare = in.bare,
	                            .context = &in};
	in.shipment = (struct shipment){.session = &i->session, .bar = &in.bar, .replace = in.replace,
	                                .dry_run = in.dry_run};
	enum exit_status status = carry_out(&in);
	intake_free(&in.intake);
	files_free(&in.files);
	payload_files_free(&in.payloads);
	seen_free(&in.seen);
	seen_free(&in.sent);
	dangling_free(&in.dangling);
	return status;
}
