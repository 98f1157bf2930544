/* docs/protocol.md: the rules that no row of the table can say, as prose, and everything else from the table.
 * It stands apart from discover.c so that only the program that writes the page carries the prose. */
#include "proto/discover.h"
#include "proto/rpc.h"
#include "proto/scan.h"
#include <ctype.h>
#include <string.h>

static const char prose_start[] =
	"# The protocol\n"
	"\n"
	"This page is written by a program: the tables and examples come from `proto/spec.c` and\n"
	"`proto/fault.h`, the prose from `proto/discover_page.c`. Change those, then `./dev docs`. Programs\n"
	"get the same as an OpenRPC document from [`rpc.discover`](#rpcdiscover), and people in a terminal\n"
	"from `persistctl help METHOD`.\n"
	"\n"
	"## In one minute\n"
	"\n"
	"persistd listens on a Unix stream socket and speaks JSON-RPC 2.0, one JSON text a line. So a shell\n"
	"is a client:\n"
	"\n"
	"```sh\n"
	"echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.ping\"}' | socat -t 10 - "
	"UNIX-CONNECT:$XDG_RUNTIME_DIR/persistd/persistd.sock\n"
	"```\n"
	"\n"
	"`persistctl` finds the socket by itself, prints the result alone, and turns errors into exit\n"
	"statuses:\n"
	"\n"
	"```sh\n"
	"persistctl call job.save '{\"job\": {\"id\": \"demo\", \"status\": \"running\"}}'\n"
	"persistctl call job.list '{\"status\": \"running\", \"limit\": 10}'\n"
	"```\n"
	"\n"
	"The socket is where `--socket` of the daemon says. Clients look at `$PERSISTD_SOCKET`, then at\n"
	"`$XDG_RUNTIME_DIR/persistd/persistd.sock` (where `XDG_RUNTIME_DIR` is unset:\n"
	"`/tmp/persistd-<uid>/persistd.sock`), then at `/run/persistd/persistd.sock`.\n"
	"\n"
	"## Lines\n"
	"\n"
	"- One JSON text a line, in UTF-8, ended by `\\n` or `\\r\\n`. Blank lines are skipped.\n"
	"- A reply is one line of compact JSON, whatever it holds.\n"
	"- The end of the stream ends the last line, too. A client may close its sending side and go on\n"
	"  reading: everything outstanding is answered, then the daemon closes. That is why the `echo … |\n"
	"  socat` above works (`-t 10` lets socat wait for the answer, up to 10 s instead of half a one).\n"
	"- A line that is no JSON is answered by `parse_error` with `\"id\":null`, and the connection goes on\n"
	"  at the next newline.\n"
	"- A line over the limit is answered by one `too_large` with `\"id\":null` and skipped up to its\n"
	"  newline.\n"
	"- JSON is taken strictly: NaN or Infinity, trailing commas, comments, lone surrogates and one name\n"
	"  twice in an object are a `parse_error`, too. `\\u0000` in a string is kept like any other\n"
	"  character.\n"
	"\n"
	"## Requests and replies\n"
	"\n"
	"The whole of [JSON-RPC 2.0](https://www.jsonrpc.org/specification):\n"
	"\n"
	"- A **request** has `\"jsonrpc\":\"2.0\"`, a `method`, perhaps `params`, and an `id`: "
	"a string, a number\n"
	"  or null, which the reply repeats byte for byte (`1.0` stays `1.0`, an integer of any size stays\n"
	"  whole).\n"
	"- A **notification** is a request without an `id`. It is carried out and never answered, not even\n"
	"  with an error.\n"
	"- **params** go by name (an object) or by position (an array, in the order of the tables below; the\n"
	"  order is only ever appended to). By position, null leaves an optional parameter out.\n"
	"- A **batch** is an array of requests. Its replies come as one array on one line, in any order; a\n"
	"  batch of notifications alone is not answered; an empty batch is an `invalid_request`.\n"
	"- **Pipelining** is welcome: send without waiting. Replies may overtake each other; the `id` tells\n"
	"  which is which.\n"
	"\n"
	"Parameters are checked before anything happens. A name that the method does not know is an error,\n"
	"with the nearest name as a hint. A null for an optional parameter means that it is absent.\n"
	"\n";

static const char prose_order[] =
	"## Order\n"
	"\n"
	"**On one connection, a call sees everything that was sent before it.** Paste two lines, a save and a\n"
	"get, and the get gives what was saved: a read that stands behind changes of its own connection waits\n"
	"for them. Calls of other connections never wait for them. `job.update_progress` reaches a job whose\n"
	"save is still under way, without waiting.\n"
	"\n"
	"Between connections there is one order of changes for the whole store: the `revision`, a number that\n"
	"grows with each.\n"
	"\n"
	"## What a reply promises\n"
	"\n"
	"- A **result** of a method that changes something means that the change is on the disk, fsynced.\n"
	"  `kill -9`, power loss and a full disk do not take it back.\n"
	"- **Reads and lists show only what is on the disk.** Nobody sees a change that a crash could take\n"
	"  back. (One case aside: a daemon that was started on a disk that refuses writes says `degraded` in\n"
	"  `server.info`; until it has written the last commit anew, a power cut could still take that one back.)\n"
	"- An **error** means that the change did not happen. The one exception says so: `outcome_unknown`.\n"
	"- **Progress** is different on purpose: `job.update_progress` costs memory only and may be called\n"
	"  hundreds of thousands of times a second. Its last value is written along whenever the job's record\n"
	"  is next written anyway, at a clean stop at the latest; a crash may lose it.\n"
	"\n";

static const char prose_errors[] =
	"## Errors\n"
	"\n"
	"```json\n"
	"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"limit must be an integer from 1 to "
	"1000\",\"data\":{\"kind\":\"invalid_params\",\n"
	" \"field\":\"limit\",\"expected\":\"an integer from 1 to 1000\"}},\"id\":1}\n"
	"```\n"
	"\n"
	"(shown on two lines; it is sent on one). `message` is for people: match on `code`, or on\n"
	"`data.kind`, which says the same as a word. `data` also has, where they apply: `field`, the path of\n"
	"what is wrong (`job.status`, `fields[2]`); `expected`, what would have been accepted; `hint`, what\n"
	"to do about it; `removed`, how many records a bulk removal had removed before it failed. None of\n"
	"these repeats values that a client sent.\n"
	"\n"
	"| code | kind | |\n"
	"|---|---|---|\n";

static const char prose_after_errors[] =
	"\n"
	"What a client does about them:\n"
	"\n"
	"- `not_found`, `conflict`: read again, decide again. A `get` of an unknown id is always `not_found`,\n"
	"  never a null that looks like something.\n"
	"- `not_durable`, `shutting_down`, `timeout` of a read, `limit`: nothing happened (but for what\n"
	"  `removed` counts); the same call may be sent again, later.\n"
	"- `outcome_unknown`: ask what is there before sending it again. `if_revision` makes the repetition\n"
	"  safe.\n"
	"- `too_large`: ask for less (`limit`, `fields`), or keep the payload as an artifact.\n"
	"- `forbidden`: each method needs a role (none, read, write, admin; each includes the ones before),\n"
	"  named in its section below.\n"
	"- `parse_error`, `invalid_request`, `method_not_found`, `invalid_params`: the client's own mistake,\n"
	"  the message says which.\n"
	"\n"
	"## Values\n"
	"\n"
	"- **Times** are RFC 3339 with microseconds and `+00:00`: `2026-11-22T16:50:00.123456+00:00`. On\n"
	"  input also with `Z`, another offset, or none (taken as UTC), and with fewer or no digits of the\n"
	"  second's fraction. A time that a client gave is kept as the text that it gave. Times that the\n"
	"  daemon sets grow strictly.\n"
	"- **Numbers** come back as they went in: an integer of 64 bits exactly, a real as the shortest\n"
	"  decimal that reads back to the same double (`0.1`, never `0.10000000000000001`). What cannot be\n"
	"  held, a larger integer or an overflowing real, is refused by name and never rounded in silence.\n"
	"  Send it as a string.\n"
	"- **Objects** keep the order of their keys.\n"
	"- **null** where null is no value of the field means absent.\n"
	"- **Kinds** are sanitised: lower-cased, each run of characters outside `[a-z0-9]` becomes one `_`,\n"
	"  trimmed of `_`, cut to 64; what is empty then becomes `run`. `Factor Analysis!` and\n"
	"  `factor_analysis` are the same kind, in records and in filters.\n"
	"\n"
	"## Limits\n"
	"\n"
	"| what | default | beyond it |\n"
	"|---|---|---|\n"
	"| a line to the daemon | 16 MiB | `too_large`, and the line is skipped |\n"
	"| a reply | 16 MiB | `too_large` |\n"
	"| the records of one list page | 8 MiB | the page ends early, `next_cursor` goes on |\n"
	"| nesting of a whole line | 128 levels | `parse_error` |\n"
	"| calls of one batch | 16384 | `limit`, and none is begun |\n"
	"| values of one filter | 16 | `invalid_params` |\n"
	"| records of one list page | 1000 | `invalid_params` |\n"
	"\n"
	"Connections, calls in flight on one connection and bytes waiting for a slow reader are limited, too:\n"
	"the daemon then stops reading from that connection for a while, or answers `limit`. `server.info`\n"
	"names the limits in force, `server.stats` how near they are.\n"
	"\n";

static const char prose_lists[] =
	"## Lists\n"
	"\n"
	"- **Order** is by time, newest first (jobs and artifacts by `created_at`, runs by `updated_at`),\n"
	"  ties by id ascending. `\"order\":\"id\"` lists by id instead, an order that no update "
	"changes: use it\n"
	"  for exports, which then miss nothing though records change.\n"
	"- **Filters** take one value or an array of 1 to 16, any of which will do; several filters must all\n"
	"  hold. `…_after` is inclusive, `…_before` exclusive.\n"
	"- **`total`** counts what the whole filter selects, whatever the page.\n"
	"- **Pages**: pass `next_cursor` as `cursor`, with the same filters and order, until it is null.\n"
	"  Records that are added, removed or moved in between neither make a cursor skip nor repeat what did\n"
	"  not change. A page may be shorter than `limit`; only a null `next_cursor` means the end. A cursor\n"
	"  is opaque: its text is not for reading.\n"
	"- **`offset`** passes over records from the start, at about the same cost however many. It does not\n"
	"  go together with `cursor`.\n"
	"- **`fields`** sends only the named fields of each record, in the record's own order.\n"
	"\n"
	"## Saving\n"
	"\n"
	"- `job.save` is an upsert: a field that is absent keeps its stored value, a field that is present\n"
	"  replaces it. An unknown id makes a new job, with defaults for what is absent.\n"
	"- `run.create_or_update` differs by field, as the table of [runs](#run) says: `meta` is merged, an\n"
	"  absent or empty `request` and an absent `artifact_id`, `error` or `status` keep the stored value,\n"
	"  and the first `kind` stays.\n"
	"- **`if_revision`** makes a change conditional: it is refused with `conflict` unless the stored\n"
	"  record's `revision` is that number. `0` means that there must be no such record. So two clients\n"
	"  that read, edit and save do not undo each other.\n"
	"- **Get, edit, save works**: what the daemon sets itself (`revision`, `updated_at`, `percentage`) is\n"
	"  ignored when it is sent back.\n"
	"- **A field that no record has is refused**, with the nearest name as a hint. Free keys go into\n"
	"  `metadata` (jobs) and `meta` (runs).\n"
	"- **Statuses**: jobs are completed, runs have succeeded; the other's word is refused, with a hint.\n"
	"- Deleting an id that is not there removes 0 and is no error.\n"
	"\n"
	"## Records\n"
	"\n"
	"The fields in the order in which they are sent. Fields of the daemon's own are set by it alone.\n"
	"\n";

/* Text for a table's cell: marks that would mean something to Markdown are escaped outside of `…`. */
static void cell(struct buf *out, const char *text)
{
	bool code = false;
	for (const char *p = text; *p; p++) {
		bool inside_word = p > text && isalnum((unsigned char)p[-1]) && isalnum((unsigned char)p[1]);
		code ^= *p == '`';
		if (*p == '|' || (!code && (strchr("*<[", *p) || (*p == '_' && !inside_word))))
			buf_char(out, '\\');
		buf_char(out, *p);
	}
}

static void bounds_words(struct buf *out, const char *noun, int64_t min, int64_t max)
{
	buf_text(out, noun);
	if (max == INT64_MAX)
		buf_printf(out, " ≥ %lld", (long long)min);
	else
		buf_printf(out, " %lld to %lld", (long long)min, (long long)max);
}

static void choice_words(struct buf *out, const char *const *choices)
{
	for (size_t i = 0; choices[i]; i++)
		buf_printf(out, "%s`%s`", i ? " " : "", choices[i]);
}

static void object_words(struct buf *out, const char *noun, const struct spec_field *fields)
{
	const char *record = fields ? spec_record_of(fields) : NULL;
	buf_text(out, noun);
	if (record)
		buf_printf(out, " ([%s](#%s))", record, record);
}

static void type_words(struct buf *out, const struct spec_field *f)
{
	switch (f->type) {
	case SPEC_IDENT: buf_printf(out, "string `%s`", ident_pattern(f->ident)); return;
	case SPEC_KIND: buf_text(out, "string (a kind)"); return;
	case SPEC_STRING: buf_text(out, "string"); return;
	case SPEC_INT: bounds_words(out, "integer", f->min, f->max); return;
	case SPEC_NUMBER: bounds_words(out, "number", f->min, f->max); return;
	case SPEC_BOOL: buf_text(out, "bool"); return;
	case SPEC_TIME: buf_text(out, "time"); return;
	case SPEC_CHOICE: choice_words(out, f->choices); return;
	case SPEC_OBJECT: object_words(out, "object", f->fields); return;
	case SPEC_ARRAY: object_words(out, "array of objects", f->fields); return;
	case SPEC_STRINGS: buf_text(out, "array of strings"); return;
	case SPEC_ANY: buf_text(out, "any JSON"); return;
	case SPEC_FIELDS: buf_text(out, "array of field names"); return;
	case SPEC_CURSOR: buf_text(out, "string"); return;
	}
}

static void field_row(struct buf *out, const char *owner, const struct spec_field *f)
{
	bool or_null = f->nullable || (f->fallback && strcmp(f->fallback, "null") == 0);
	buf_printf(out, "| `%s%s` | ", owner, f->name);
	type_words(out, f);
	if (or_null && f->type != SPEC_ANY)
		buf_text(out, " or null");
	buf_text(out, " | ");
	if (f->ours)
		buf_text(out, "the daemon's own");
	else if (f->required)
		buf_text(out, "required");
	else if (f->fallback)
		buf_printf(out, "`%s`", f->fallback);
	buf_text(out, " | ");
	cell(out, f->prose);
	buf_text(out, " |\n");
}

static void record_section(struct buf *out, enum table_id t)
{
	buf_printf(out, "### %s\n\n| field | type | default | |\n|---|---|---|---|\n", spec_record_name(t));
	for (const struct spec_field *f = spec_fields(t); f->name; f++) {
		char owner[64] = "";
		field_row(out, owner, f);
		if (!f->fields)
			continue;
		strncat(owner, f->name, sizeof owner - 2);
		strcat(owner, ".");
		for (const struct spec_field *inner = f->fields; inner->name; inner++)
			field_row(out, owner, inner);
	}
	buf_char(out, '\n');
}

static void param_row(struct buf *out, const struct spec_param *p)
{
	struct spec_field f = spec_param_field(p);
	buf_printf(out, "| `%s` | ", p->name);
	if (p->unbounded)
		buf_text(out, "array of ");
	type_words(out, &f);
	if (p->many && !p->unbounded)
		buf_text(out, ", or an array of them");
	buf_text(out, " | ");
	if (p->required)
		buf_text(out, "required");
	else if (p->fallback)
		buf_printf(out, "`%s`", p->fallback);
	buf_text(out, " | ");
	cell(out, p->prose);
	buf_text(out, " |\n");
}

static void example(struct buf *out, const struct spec_method *m)
{
	__attribute__((cleanup(buf_free))) struct buf params = {0};
	if (!m->example_result)
		return;
	if (m->example_params)
		scan_canonical(&params, span_of(m->example_params));
	buf_text(out, "\n```json\n");
	rpc_request(out, m->name, buf_as_span(&params), 1);
	rpc_begin_result(out);
	scan_canonical(out, span_of(m->example_result));
	rpc_end(out, SPAN("1"));
	buf_text(out, "\n```\n");
}

static void errors_line(struct buf *out, const struct spec_method *m)
{
	const char *separator = "";
	if (!m->errors)
		return;
	buf_text(out, "Errors of its own: ");
	for (unsigned i = 0; i < FAULT_CODE_COUNT; i++) {
		if (!(m->errors & 1u << i))
			continue;
		buf_printf(out, "%s`%s`", separator, fault_kind((enum fault_code)i));
		separator = ", ";
	}
	buf_text(out, ".\n");
}

static void method_section(struct buf *out, const struct spec_method *m)
{
	buf_printf(out, "### %s\n\n%s Role: %s.\n", m->name, m->prose, spec_role_name(m->role));
	buf_text(out, m->param_count > 0 ? "\n| parameter | type | default | |\n|---|---|---|---|\n" : "");
	for (unsigned i = 0; i < m->param_count; i++)
		param_row(out, &m->params[i]);
	buf_text(out, "\n");
	for (const struct spec_rule *rule = m->rules; rule && rule->kind != SPEC_RULE_END; rule++)
		buf_printf(out, "- Mind that %s (%s).\n", rule->prose, rule->hint);
	buf_printf(out, "%sResult: %s.\n", m->rules ? "\n" : "", m->result);
	errors_line(out, m);
	example(out, m);
	buf_char(out, '\n');
}

static void methods_contents(struct buf *out)
{
	buf_text(out, "## Methods\n\n| method | | role |\n|---|---|---|\n");
	for (size_t i = 0; i < METHOD_COUNT; i++) {
		const struct spec_method *m = &spec_methods[i];
		buf_printf(out, "| [`%s`](#", m->name);
		for (const char *p = m->name; *p; p++)
			if (*p != '.')
				buf_char(out, *p);
		buf_text(out, ") | ");
		cell(out, m->prose);
		buf_printf(out, " | %s |\n", spec_role_name(m->role));
	}
	buf_char(out, '\n');
}

void discover_markdown(struct buf *out)
{
	buf_text(out, prose_start);
	buf_text(out, prose_order);
	buf_text(out, prose_errors);
	for (enum fault_code code = 0; code < FAULT_CODE_COUNT; code++)
		buf_printf(out, "| %d | `%s` | %s |\n", fault_number(code), fault_kind(code), fault_text(code));
	buf_text(out, prose_after_errors);
	buf_text(out, prose_lists);
	for (enum table_id t = 0; t < TABLE_COUNT; t++)
		record_section(out, t);
	methods_contents(out);
	for (size_t i = 0; i < METHOD_COUNT; i++)
		method_section(out, &spec_methods[i]);
	out->len--; /* a page ends with one newline */
}
