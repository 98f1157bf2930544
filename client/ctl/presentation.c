#include "client/ctl/find.h"
#include "client/ctl/list.h"
#include "client/ctl/list_shape.h"
#include "client/ctl/method_command.h"
#include "client/ctl/payload.h"
#include "client/ctl/remove.h"
#include "client/ctl/save.h"
#include "client/ctl/show.h"
#include <stdlib.h>

static const struct operand save_job_operands[] = {
	{.name = "ID", .offer = OFFER_JOB, .prose = "The job's id; without one a new id is made.", .flag = "id"},
	{.name = "JSON", .offer = OFFER_FILE,
	 .prose = "The job or those of its fields that change: a JSON object, @FILE, or - for stdin. Flags win "
	          "over it."},
	{0},
};
static const struct operand save_run_operands[] = {
	{.name = "ID", .offer = OFFER_RUN, .prose = "The run's id; without one a new id is made.",
	 .flag = "run-id"},
	{.name = "JSON", .offer = OFFER_FILE,
	 .prose = "The run, or what changes of it: a JSON object (as run get gives it, too), @FILE, or - for "
	          "stdin. Flags win over it."},
	{0},
};
static const struct operand jobs_operands[] = {
	{.name = "ID", .required = true, .many = true, .offer = OFFER_JOB, .prose = "The job's id.",
	 .flag = "id"},
	{0},
};
static const struct operand delete_jobs_operands[] = {
	{.name = "ID", .required = true, .many = true, .offer = OFFER_JOB, .prose = "The job's id.",
	 .flag = "ids"},
	{0},
};
static const struct operand runs_operands[] = {
	{.name = "ID", .required = true, .many = true, .offer = OFFER_RUN, .prose = "The run's id.",
	 .flag = "run-id"},
	{0},
};
static const struct operand artifacts_operands[] = {
	{.name = "ID", .required = true, .many = true, .offer = OFFER_ARTIFACT, .prose = "The artifact's id.",
	 .flag = "id"},
	{0},
};
static const struct operand artifact_operands[] = {
	{.name = "ID", .required = true, .offer = OFFER_ARTIFACT, .prose = "The artifact's id.", .flag = "id"},
	{0},
};
static const struct operand progress_operands[] = {
	{.name = "ID", .required = true, .offer = OFFER_JOB, .prose = "The job's id.", .flag = "id"},
	{.name = "CURRENT", .prose = "How far the work is.", .flag = "current"},
	{.name = "TOTAL", .prose = "How far it has to go.", .flag = "total"},
	{.name = "MESSAGE", .prose = "What it is doing, for people.", .flag = "message"},
	{0},
};

static const struct flag save_flags[] = {
	{.name = "jsonl",
	 .prose = "Save many: each line of the file that is named, or of stdin, is a record; what was stored is "
	          "printed a record a line. Flags win over each."},
	{.name = NULL},
};

static const struct flag_alias metadata_aliases[] = {{"meta", "metadata"}, {0}};
static const struct flag_alias run_id_aliases[] = {{"id", "run_id"}, {0}};
static const struct flag_alias artifact_run_aliases[] = {{"run", "run_id"}, {0}};

#define LIST_NOTES(plain)                                                                                  \
	"On a terminal a table, cut to its width. In a pipe columns with tabs between them, without a header: " \
	plain ", or what --fields names, which may be paths into fields, too: payload.factor. Times are as they " \
	"are stored, null is empty, and \\t \\n \\r \\\\ stand for what would break a line. Where a filter that " \
	"is looked for on this side meets --limit, --json has a total of null."

/* In the order of help. */
static const struct presentation presentations[] = {
	{.method = "job.save", .operands = save_job_operands, .flags = save_flags, .aliases = metadata_aliases,
	 .run = save_run,
	 .examples = "persistctl job save nightly --type backtest --status running --payload factor=value "
	             "--payload top_n:=10\n"
	             "persistctl job save nightly --status completed --if-revision 12\n"
	             "persistctl job save --jsonl < jobs.jsonl"},
	{.method = "job.get", .operands = jobs_operands, .run = method_run_each,
	 .notes = "In a pipe a line of JSON. -q with --fields prints values alone.",
	 .examples = "persistctl job get nightly\n"
	             "persistctl job get nightly -q --fields status"},
	{.method = "job.list", .prose = "Lists jobs, newest created_at first.", .flags = list_flags_jobs,
	 .run = list_run, .notes = LIST_NOTES(LIST_PLAIN_JOBS),
	 .examples = "persistctl job list --status running,failed --since 2h\n"
	             "persistctl job list --all -q --type backtest\n"
	             "persistctl job list --fields id,status,payload.factor | cut -f 3"},
	{.method = "job.count", .views = {show_count, plain_count}, .prose = "Counts jobs.",
	 .notes = "In a pipe the number alone; with --group-by a value, a tab and its number a line.",
	 .examples = "persistctl job count --status failed --since today\n"
	             "persistctl job count --group-by status"},
	{.method = "job.update_progress", .verb = "progress",
	 .prose = "Says how far a job is. Kept in memory: not durable.",
	 .operands = progress_operands, .views = {show_progress, NULL},
	 .examples = "persistctl job progress nightly 30 120 2019"},
	{.method = "job.delete", .operands = delete_jobs_operands, .flags = remove_flags, .run = remove_run,
	 .views = {show_removed, NULL},
	 .examples = "persistctl job delete nightly --dry-run\n"
	             "persistctl job list --all -q --status cancelled | xargs persistctl job delete"},
	{.method = "job.cleanup", .views = {show_removed, NULL},
	 .examples = "persistctl job cleanup --days 30 --dry-run"},
	{.method = "run.create_or_update", .verb = "save", .operands = save_run_operands, .flags = save_flags,
	 .aliases = run_id_aliases, .run = save_run,
	 .examples = "persistctl run save bt-1 --kind backtest --status running --meta job_id=nightly\n"
	             "persistctl run save bt-1 --status succeeded"},
	{.method = "run.get", .operands = runs_operands, .aliases = run_id_aliases, .run = method_run_each,
	 .notes = "In a pipe a line of JSON. -q with --fields prints values alone.",
	 .examples = "persistctl run get bt-1 -q --fields meta.metrics.cagr"},
	{.method = "run.list", .prose = "Lists runs, newest updated_at first.", .flags = list_flags_runs,
	 .run = list_run, .notes = LIST_NOTES(LIST_PLAIN_RUNS),
	 .examples = "persistctl run list --kind backtest --since yesterday\n"
	             "persistctl run list --meta job_id=nightly"},
	{.method = "run.count", .views = {show_count, plain_count},
	 .notes = "In a pipe the number alone; with --group-by a value, a tab and its number a line.",
	 .examples = "persistctl run count --group-by kind"},
	{.method = "run.find_by_meta", .verb = "find", .operands = find_operands, .flags = find_flags,
	 .run = find_run,
	 .examples = "persistctl run find job_id nightly\n"
	             "persistctl run find --meta job_id=nightly -q"},
	{.method = "run.delete", .operands = runs_operands, .flags = remove_flags, .aliases = run_id_aliases,
	 .run = remove_run, .views = {show_removed, NULL},
	 .examples = "persistctl run delete bt-1\n"
	             "persistctl run list --all -q --kind trial | xargs persistctl run delete --dry-run"},
	{.method = "artifact.save", .operands = payload_save_operands, .aliases = artifact_run_aliases,
	 .run = payload_save,
	 .examples = "persistctl artifact save bt-1 equity.json --kind equity\n"
	             "generate | persistctl artifact save bt-1 - -q"},
	{.method = "artifact.read", .operands = artifact_operands, .run = payload_read,
	 .notes = "Prints the payload's bytes exactly; on a terminal indented. --json gives the whole reply.",
	 .examples = "persistctl artifact read equity_bt_1_0123456789 > equity.json"},
	{.method = "artifact.list", .prose = "Lists artifacts, newest first.", .flags = list_flags_artifacts,
	 .aliases = artifact_run_aliases, .run = list_run,
	 .notes = LIST_NOTES(LIST_PLAIN_ARTIFACTS), .examples = "persistctl artifact list --run bt-1"},
	{.method = "artifact.delete", .operands = artifacts_operands, .run = remove_run,
	 .views = {show_removed, NULL}, .examples = "persistctl artifact delete equity_bt_1_0123456789"},
	/* the import command sends it, a piece at a time */
	{.method = "server.import", .hidden = true},
	{.method = "server.ping", .views = {show_ping, NULL}, .examples = "persistctl ping && echo it is there"},
	{.method = "server.info", .views = {show_sections, NULL},
	 .examples = "persistctl info\n"
	             "persistctl info -q --fields state_dir"},
	{.method = "server.stats", .views = {show_sections, NULL},
	 .examples = "persistctl stats -q --fields journal.commits"},
	{.method = "server.flush", .views = {show_flush, NULL}},
	{.method = "rpc.discover", .views = {show_methods, NULL},
	 .prose = "Describes every method, as an OpenRPC document.",
	 .examples = "persistctl discover --json > openrpc.json"},
};

const struct presentation *presentation_at(size_t place)
{
	return place < sizeof presentations / sizeof *presentations ? &presentations[place] : NULL;
}

const struct presentation *presentation_of(const struct spec_method *m)
{
	for (size_t i = 0; i < sizeof presentations / sizeof *presentations; i++)
		if (strcmp(presentations[i].method, m->name) == 0)
			return &presentations[i];
	return NULL;
}
