#include "daemon/spares.h"
#include "tests/unit/keeper.h"

static struct keeper *k;

static void setup(void)
{
	k = mem_zero(sizeof *k);
	keeper_make(k);
	k->disk = &k->faulty.disk;
	k->options.merge_count = 8;
	k->options.fold_floor = 1 << 20;
	ck_assert(keeper_start(k));
}

static void teardown(void)
{
	keeper_unmake(k);
	free(k);
}

static void break_one(enum faulty_call call, const char *name, int number)
{
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = call, .name = name, .nth = 1,
	                                                  .number = number});
}

static void heal(void)
{
	faulty_disk_fail(&k->faulty, (struct faulty_plan){0});
}

static struct segment_head read_head(uint64_t seq)
{
	struct kept ignored = {0};
	struct load_sink sink = {.context = &ignored, .record = kept_put, .put = kept_put, .remove = kept_remove};
	struct segment_head head = {0};
	struct load_finding finding;
	ck_assert_msg(load_segment_file(k->disk, &k->dirs.journal, seq, NULL, &sink, &head, &finding), "%s",
	              finding.message);
	kept_clear(&ignored);
	return head;
}

/* ---- commits */

START_TEST(an_acknowledged_change_is_lost_at_a_restart)
{
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "a", 1), DISK_OK);
	ck_assert_int_eq(keeper_save(k, TABLE_RUNS, "a", 2), DISK_OK);
	keeper_delete(k, TABLE_JOBS, "a");
	keeper_put(k, TABLE_JOBS, "b", 3, 10);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(k->kept.shelves[TABLE_JOBS].count, 1);
	ck_assert_uint_eq(k->kept.shelves[TABLE_RUNS].count, 1);
	ck_assert_uint_eq(journal_revision(k->journal), 4);
}
END_TEST

START_TEST(a_commit_is_acknowledged_before_its_bytes_are_safe)
{
	keeper_put(k, TABLE_ARTIFACTS, "a", 1, 0);
	keeper_payload(k, "a.json", "{}");
	keeper_payload(k, "gone.json", NULL);
	k->faulty.logging = true;
	faulty_disk_forget(&k->faulty);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	ck_assert_str_eq(faulty_disk_log(&k->faulty),
		"openat a.json.*.tmp\nfchmod a.json.*.tmp\nwritev a.json.*.tmp\nfsync a.json.*.tmp\n"
		"close a.json.*.tmp\nrenameat a.json.*.tmp a.json\n"
		"fsync artifacts\nopenat .\nclose .\n"
		"openat 00000000000000000001.json.*.tmp\nfchmod 00000000000000000001.json.*.tmp\n"
		"writev 00000000000000000001.json.*.tmp\nfdatasync 00000000000000000001.json.*.tmp\n"
		"close 00000000000000000001.json.*.tmp\n"
		"renameat 00000000000000000001.json.*.tmp 00000000000000000001.json\nfsync journal\n"
		"openat 00000000000000000001.json\n"
		"close 00000000000000000001.json\n"
		"unlinkat gone.json\nfsync artifacts\nopenat .\nclose .\n");
}
END_TEST

START_TEST(segments_do_not_say_what_a_loader_needs_to_follow_them)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_put(k, TABLE_RUNS, "a", 2, 0);
	keeper_put(k, TABLE_RUNS, "b", 2, 0);
	keeper_commit(k);
	keeper_save(k, TABLE_JOBS, "a", 3);
	struct segment_head head = read_head(3);
	ck_assert_uint_eq(head.prev, 2);
	ck_assert_uint_eq(head.first, 4);
	ck_assert_uint_eq(head.last, 4);
	ck_assert_uint_eq(head.changed[TABLE_JOBS], 1);
	ck_assert_uint_eq(head.changed[TABLE_RUNS], 3);
	ck_assert_uint_eq(head.changed[TABLE_ARTIFACTS], 0);
	ck_assert_uint_eq(head.tables, 1u << TABLE_JOBS);
}
END_TEST

START_TEST(a_full_disk_loses_what_was_acknowledged_or_keeps_what_was_refused)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	break_one(FAULTY_WRITEV, "000002.json", ENOSPC);
	keeper_put(k, TABLE_ARTIFACTS, "x", 2, 0);
	keeper_payload(k, "x.json", "{}");
	ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
	ck_assert(!journal_degraded(k->journal, NULL));
	ck_assert(journal_ready(k->journal));
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
	keeper_verify(k);
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 3), DISK_OK);
	ck_assert_uint_eq(read_head(2).first, 2);
	ck_assert_uint_eq(keeper_stats(k).commit_failures, 1);
	keeper_verify(k);
}
END_TEST

START_TEST(a_payload_of_a_refused_save_stays)
{
	static const enum faulty_call calls[] = {FAULTY_OPENAT, FAULTY_WRITEV, FAULTY_FSYNC, FAULTY_RENAMEAT};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		break_one(calls[i], "y.json", EIO);
		keeper_put(k, TABLE_ARTIFACTS, "x", 2, 0);
		keeper_payload(k, "x.json", "{}");
		keeper_payload(k, "y.json", "{}");
		ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
		ck_assert(!keeper_has_payload(k, "x.json", NULL) && !keeper_has_payload(k, "y.json", NULL));
	}
	break_one(FAULTY_FSYNC, "artifacts", EIO);
	keeper_put(k, TABLE_ARTIFACTS, "x", 2, 0);
	keeper_payload(k, "x.json", "{}");
	ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
	ck_assert_uint_eq(journal_revision(k->journal), 0);
	keeper_verify(k);
}
END_TEST

/* An import takes over a payload that has no record, of the same content: it may be the only copy there is. */
START_TEST(a_refused_import_takes_the_payload_file_that_was_there_before)
{
	static const enum disk_result results[] = {DISK_FAILED, DISK_UNKNOWN};
	static const enum faulty_call calls[] = {FAULTY_WRITEV, FAULTY_FSYNC};
	static const char *const files[] = {"000001.json", "journal"};
	scratch_write(&k->scratch, "artifacts/x.json", SPAN("{}"));
	for (size_t i = 0; i < 2; i++) {
		break_one(calls[i], files[i], ENOSPC);
		keeper_put(k, TABLE_ARTIFACTS, "x", 1, 0);
		keeper_payload(k, "x.json", "{}");
		k->payloads[0].stays = true;
		keeper_payload(k, "y.json", "{}");
		ck_assert_int_eq(keeper_commit(k), results[i]);
		heal();
		keeper_wait(k, 1000);
		ck_assert(!journal_degraded(k->journal, NULL));
		ck_assert(keeper_has_payload(k, "x.json", "{}"));
		ck_assert(!keeper_has_payload(k, "y.json", NULL));
	}
}
END_TEST

static void make_artifact(const char *payload)
{
	keeper_put(k, TABLE_ARTIFACTS, "x", 1, 0);
	keeper_payload(k, "x.json", payload);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
}

static void delete_artifact(void)
{
	keeper_delete(k, TABLE_ARTIFACTS, "x");
	keeper_payload(k, "x.json", NULL);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
}

START_TEST(the_payload_of_a_deleted_artifact_stays_readable_because_one_unlink_failed)
{
	make_artifact("{}");
	break_one(FAULTY_UNLINKAT, "x.json", EIO);
	delete_artifact();
	ck_assert(keeper_has_payload(k, "x.json", NULL));
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "a", 2), DISK_OK);
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
}
END_TEST

START_TEST(a_segment_goes_while_the_payload_that_it_deletes_is_still_there)
{
	make_artifact("{}");
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_UNLINKAT, .name = "x.json", .nth = 1,
	                                                  .sticky = true, .number = EIO});
	delete_artifact();
	for (int i = 0; i < 10; i++)
		keeper_wait(k, 1000);
	ck_assert_uint_ge(keeper_stats(k).folds, 1);
	ck_assert_uint_eq(keeper_segments(k), 2);
	heal();
	keeper_settle(k);
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
	ck_assert_uint_eq(keeper_segments(k), 0);
}
END_TEST

/* What an earlier commit could not unlink is not unlinked behind the back of one that brings it again. */
START_TEST(an_artifact_that_comes_back_loses_its_payload_to_an_unlink_that_is_repeated)
{
	make_artifact("x");
	break_one(FAULTY_UNLINKAT, "x.json", EIO);
	delete_artifact();
	keeper_clock += 1000;
	journal_tick(k->journal);
	while (keeper_stats(k).folds == 0)
		keeper_step(k);
	struct flush_job *sweep = keeper_take(k);
	keeper_put(k, TABLE_ARTIFACTS, "x", 2, 0);
	keeper_payload(k, "x.json", "x");
	bool ready = journal_ready(k->journal);
	if (ready) {
		keeper_begin_commit(k);
		keeper_step(k);
	}
	if (_i == 1)
		break_one(FAULTY_UNLINKAT, "x.json", EIO);
	sweep->work(sweep);
	sweep->done(sweep);
	heal();
	if (!ready)
		keeper_begin_commit(k);
	keeper_drain(k);
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "a", 3), DISK_OK);
	keeper_settle(k);
	ck_assert(keeper_has_payload(k, "x.json", "x"));
	keeper_verify(k);
}
END_TEST

START_TEST(one_payload_that_cannot_be_removed_keeps_those_that_are_deleted_after_it)
{
	static const char *const names[] = {"x.json", "y.json", "z.json"};
	for (int i = 0; i < 3; i++) {
		char id[2] = {names[i][0]};
		keeper_put(k, TABLE_ARTIFACTS, id, 1, 0);
		keeper_payload(k, names[i], id);
		ck_assert_int_eq(keeper_commit(k), DISK_OK);
	}
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_UNLINKAT, .name = "x.json", .nth = 1,
	                                                  .sticky = true, .number = EIO});
	for (int i = 0; i < 3; i++) {
		char id[2] = {names[i][0]};
		keeper_delete(k, TABLE_ARTIFACTS, id);
		keeper_payload(k, names[i], NULL);
		ck_assert_int_eq(keeper_commit(k), DISK_OK);
		ck_assert(keeper_has_payload(k, names[i], NULL) == (i == 0));
	}
	heal();
	keeper_settle(k);
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
	ck_assert_uint_eq(keeper_segments(k), 0);
}
END_TEST

START_TEST(a_directory_in_the_place_of_a_payload_that_goes_keeps_the_journal_growing)
{
	char path[512];
	make_artifact("x");
	scratch_path(&k->scratch, "artifacts/x.json", path, sizeof path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	delete_artifact();
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* chattr +i: what may not be removed today may not be removed tomorrow. */
START_TEST(a_payload_that_somebody_protects_keeps_the_journal_growing)
{
	make_artifact("x");
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_UNLINKAT, .name = "x.json", .nth = 1,
	                                                  .sticky = true, .number = EPERM});
	delete_artifact();
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	ck_assert(keeper_has_payload(k, "x.json", NULL));
	keeper_verify(k);
}
END_TEST

START_TEST(a_batch_of_one_kind_of_changes_is_refused)
{
	ck_assert_int_eq(keeper_commit(k), DISK_OK); /* the net effect of a record made and deleted at once */
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "a", 1), DISK_OK);
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(journal_revision(k->journal), 2);
}
END_TEST

static void commit_again(struct keeper *me)
{
	me->then = NULL;
	keeper_put(me, TABLE_RUNS, "next", 9, 0);
	keeper_begin_commit(me);
}

START_TEST(the_next_batch_cannot_begin_when_the_one_before_it_is_done)
{
	k->then = commit_again;
	keeper_put(k, TABLE_JOBS, "a", 1, 0);
	keeper_begin_commit(k);
	keeper_step(k);
	ck_assert(k->under_way);
	ck_assert(!journal_ready(k->journal) && !journal_idle(k->journal));
	keeper_drain(k);
	ck_assert_uint_eq(k->kept.shelves[TABLE_RUNS].count, 1);
	keeper_verify(k);
}
END_TEST

/* Each commit begins in the answer to the one before, while folds, merges and sweeps go on beside them. */
static unsigned to_commit;

static void commit_next(struct keeper *me)
{
	char id[16], name[24];
	static char names[2][24]; /* of the payload under way and the next */
	if (to_commit-- == 0)
		return;
	keeper_clock++;
	snprintf(id, sizeof id, "j%u", to_commit % 300);
	keeper_put(me, to_commit % 7 ? TABLE_JOBS : TABLE_RUNS, id, to_commit, 700);
	if (to_commit % 50 == 0) {
		snprintf(name, sizeof name, "p%u.json", to_commit);
		strcpy(names[to_commit / 50 % 2], name);
		keeper_payload(me, names[to_commit / 50 % 2], "{}");
	}
	keeper_begin_commit(me);
}

START_TEST(threads_get_in_each_others_way)
{
	keeper_end(k);
	uv_loop_init(&k->loop);
	k->threads = flush_uv_new(&k->loop);
	k->disk = &k->quick;
	k->options.fold_floor = 1 << 18;
	ck_assert(keeper_start(k));
	to_commit = 3000;
	k->then = commit_next;
	commit_next(k);
	keeper_drain(k);
	k->then = NULL;
	ck_assert_uint_eq(keeper_stats(k).commits, 3000);
	ck_assert_uint_ge(keeper_stats(k).folds, 2);
	ck_assert_uint_ge(keeper_stats(k).merges, 5);
	keeper_verify(k);
	ck_assert(keeper_stop(k));
	keeper_verify(k);
	keeper_end(k);
	flush_uv_free(k->threads);
	ck_assert_int_eq(uv_loop_close(&k->loop), 0);
}
END_TEST

/* ---- unknown outcomes */

static void unknown(const char *id, uint64_t value, bool lost)
{
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = lost ? FAULTY_RENAMEAT : FAULTY_FSYNC,
	                                                  .name = lost ? ".json" : "journal", .nth = 1,
	                                                  .number = EIO});
	keeper_put(k, TABLE_JOBS, id, value, 0);
	keeper_begin_commit(k);
	keeper_step(k);
	ck_assert_int_eq(k->result, DISK_UNKNOWN);
}

START_TEST(a_change_whose_outcome_was_unknown_comes_back_after_the_repair)
{
	for (int lost = 0; lost < 2; lost++) {
		keeper_save(k, TABLE_JOBS, "a", 1);
		unsigned told = k->state_changes;
		unknown("a", 2, lost);
		struct disk_error why;
		ck_assert(journal_degraded(k->journal, &why));
		ck_assert_int_eq(why.number, EIO);
		ck_assert(!journal_ready(k->journal));
		ck_assert(journal_wants_tick(k->journal) || !journal_idle(k->journal));
		ck_assert_uint_eq(k->state_changes, told + 1);
		keeper_drain(k);
		ck_assert(!journal_degraded(k->journal, NULL) && journal_ready(k->journal));
		ck_assert_uint_eq(k->state_changes, told + 2);
		keeper_verify(k);
		ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 3), DISK_OK);
		keeper_verify(k);
		keeper_restart(k);
	}
}
END_TEST

START_TEST(the_payload_of_a_change_that_did_not_happen_stays_after_the_repair)
{
	break_one(FAULTY_FSYNC, "journal", EIO);
	keeper_put(k, TABLE_ARTIFACTS, "x", 1, 0);
	keeper_payload(k, "x.json", "{}");
	keeper_begin_commit(k);
	keeper_step(k);
	ck_assert_int_eq(k->result, DISK_UNKNOWN);
	ck_assert(keeper_has_payload(k, "x.json", "{}")); /* a start before the repair would need it */
	keeper_drain(k);
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
	keeper_verify(k);
}
END_TEST

START_TEST(a_repair_that_fails_is_not_tried_again_or_without_pause)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .name = "journal", .nth = 1,
	                                                  .sticky = true, .number = EIO});
	keeper_put(k, TABLE_JOBS, "a", 2, 0);
	keeper_commit(k);
	ck_assert_int_eq(k->result, DISK_UNKNOWN);
	unsigned tries = k->faulty.calls[FAULTY_RENAMEAT];
	for (int i = 0; i < 100; i++)
		keeper_wait(k, 1);
	ck_assert_uint_eq(k->faulty.calls[FAULTY_RENAMEAT], tries + 1);
	for (int i = 0; i < 600; i++)
		keeper_wait(k, 100);
	tries = k->faulty.calls[FAULTY_RENAMEAT] - tries;
	ck_assert_uint_ge(tries, 10);
	ck_assert_uint_le(tries, 25);
	ck_assert(journal_degraded(k->journal, NULL));
	heal();
	keeper_settle(k);
	ck_assert(!journal_degraded(k->journal, NULL));
	keeper_verify(k);
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "a", 3), DISK_OK);
	keeper_verify(k);
}
END_TEST

START_TEST(a_stop_while_degraded_hangs_or_claims_to_have_folded)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .name = "journal", .nth = 1,
	                                                  .sticky = true, .number = EIO});
	keeper_put(k, TABLE_JOBS, "a", 2, 0);
	keeper_commit(k);
	ck_assert(!keeper_stop(k));
	heal();
	const char *differs = keeper_differs(k, &k->kept);
	if (differs) { /* unknown is unknown: the new one is right, too */
		shelf_put(&k->kept.shelves[TABLE_JOBS], "a", SPAN("{\"id\":\"a\",\"v\":2,\"padding\":\"\"}"));
		keeper_verify(k);
	}
}
END_TEST

START_TEST(a_stop_while_degraded_does_not_even_try_the_repair)
{
	unknown("a", 1, false);
	ck_assert(keeper_stop(k));
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
}
END_TEST

/* ---- folds */

START_TEST(an_idle_store_is_not_folded_into_its_files)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_save(k, TABLE_RUNS, "a", 1);
	ck_assert(journal_wants_tick(k->journal));
	keeper_wait(k, 900);
	ck_assert_uint_eq(keeper_stats(k).folds, 0);
	keeper_wait(k, 200);
	ck_assert_uint_eq(keeper_stats(k).folds, 2); /* the artifacts have not changed */
	ck_assert_uint_eq(keeper_segments(k), 0);
	ck_assert(!journal_wants_tick(k->journal));
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(journal_revision(k->journal), 2);
	ck_assert(!journal_wants_tick(k->journal));
	ck_assert_int_eq(keeper_save(k, TABLE_RUNS, "a", 2), DISK_OK);
	keeper_settle(k);
	keeper_verify(k);
	keeper_restart(k);
	keeper_verify(k);
}
END_TEST

START_TEST(a_larger_store_is_folded_as_eagerly_as_a_tiny_one)
{
	for (int i = 0; i < 40; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%d", i);
		keeper_put(k, TABLE_JOBS, id, 1, 8192);
	}
	keeper_commit(k);
	keeper_wait(k, 4900);
	ck_assert_uint_eq(keeper_stats(k).folds, 0);
	keeper_wait(k, 300);
	ck_assert_uint_eq(keeper_stats(k).folds, 1);
}
END_TEST

START_TEST(a_fold_holds_commits_up_or_takes_up_their_changes)
{
	for (int i = 0; i < 1500; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%d", i);
		keeper_put(k, TABLE_JOBS, id, 1, 0);
	}
	keeper_commit(k);
	keeper_clock += 10000;
	journal_tick(k->journal);
	ck_assert(keeper_stats(k).folding);
	for (unsigned commits = 0; keeper_stats(k).folding;) { /* commits between the fold's slices */
		if (!k->under_way) {
			keeper_put(k, TABLE_JOBS, commits % 2 ? "j1400" : "j3", 100 + commits, 0);
			keeper_delete(k, TABLE_JOBS, commits % 2 ? "j7" : "j1200");
			keeper_begin_commit(k);
			commits++;
		}
		keeper_step(k);
		if (!k->under_way)
			keeper_verify(k);
	}
	keeper_drain(k);
	ck_assert_uint_eq(keeper_stats(k).folds, 1);
	ck_assert_uint_ge(keeper_stats(k).commits, 3);
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(k->kept.shelves[TABLE_JOBS].count, 1498);
}
END_TEST

START_TEST(a_fold_that_fails_loses_something_or_is_never_tried_again)
{
	static const struct faulty_plan plans[] = {
		{.call = FAULTY_OPENAT, .name = "jobs.json", .nth = 1, .times = 2, .number = ENOSPC},
		{.call = FAULTY_WRITEV, .name = "jobs.json", .nth = 1, .times = 2, .number = ENOSPC},
		{.call = FAULTY_FSYNC, .name = "jobs.json", .nth = 1, .times = 2, .number = EIO},
		{.call = FAULTY_RENAMEAT, .name = "jobs.json", .nth = 1, .times = 2, .number = EIO},
		{.call = FAULTY_FSYNC, .name = "persistd-unit", .nth = 1, .times = 2, .number = EIO},
	};
	for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
		keeper_save(k, TABLE_JOBS, "a", 10 + i);
		uint64_t folds = keeper_stats(k).folds, failures = keeper_stats(k).fold_failures;
		faulty_disk_fail(&k->faulty, plans[i]);
		keeper_wait(k, 1100);
		ck_assert_uint_eq(keeper_stats(k).folds, folds);
		ck_assert_uint_eq(keeper_stats(k).fold_failures, failures + 1);
		ck_assert(!journal_degraded(k->journal, NULL));
		ck_assert(journal_wants_tick(k->journal));
		ck_assert_uint_ge(keeper_segments(k), 1);
		keeper_verify(k);
		keeper_wait(k, 900);
		ck_assert_uint_eq(keeper_stats(k).fold_failures, failures + 1);
		keeper_wait(k, 200);
		ck_assert_uint_eq(keeper_stats(k).fold_failures, failures + 2);
		ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", i), DISK_OK);
		keeper_settle(k);
		ck_assert_uint_eq(keeper_stats(k).folds, folds + 1);
		ck_assert_uint_eq(keeper_segments(k), 0);
		ck_assert_uint_eq(k->freezes, k->thaws);
		keeper_verify(k);
	}
}
END_TEST

START_TEST(segments_that_only_a_snapshot_in_the_page_cache_covers_go)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .name = "persistd-unit", .nth = 1,
	                                                  .sticky = true, .number = EIO});
	keeper_wait(k, 1100); /* renamed, but who knows */
	ck_assert_uint_eq(keeper_segments(k), 1);
	heal();
	keeper_restart(k);
	ck_assert_uint_eq(keeper_segments(k), 1);
	ck_assert(journal_wants_tick(k->journal));
	keeper_settle(k);
	ck_assert_uint_eq(keeper_stats(k).folds, 1);
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
}
END_TEST

START_TEST(segments_that_could_not_be_removed_pile_up)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_save(k, TABLE_JOBS, "a", 2);
	keeper_save(k, TABLE_JOBS, "a", 3);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.name = "000002.json", .nth = 1, .times = 2,
	                                                  .number = EIO});
	keeper_wait(k, 1100);
	ck_assert_uint_eq(keeper_segments(k), 2);
	ck_assert_uint_eq(keeper_stats(k).segments, 2);
	keeper_verify(k);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
}
END_TEST

START_TEST(an_idle_daemon_wakes_up)
{
	ck_assert(!journal_wants_tick(k->journal));
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_settle(k);
	struct journal_stats before = keeper_stats(k);
	unsigned calls = k->faulty.calls[FAULTY_ANY];
	for (int i = 0; i < 100; i++)
		keeper_wait(k, 5000);
	ck_assert_uint_eq(k->faulty.calls[FAULTY_ANY], calls);
	ck_assert_uint_eq(keeper_stats(k).folds, before.folds);
}
END_TEST

START_TEST(a_busy_small_table_holds_up_the_chain_for_its_neighbour)
{
	keeper_save(k, TABLE_RUNS, "r", 1); /* rarely changed, it pins what comes after it */
	for (unsigned i = 0; i < 600; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%u", i % 10);
		keeper_put(k, TABLE_JOBS, id, i, 20000);
		keeper_commit(k);
		if (i % 100 == 0)
			keeper_save(k, TABLE_RUNS, "r", i);
		ck_assert_uint_le(keeper_stats(k).segment_bytes, 5 << 20);
	}
	ck_assert_uint_ge(keeper_stats(k).folds, 4);
	keeper_verify(k);
}
END_TEST

/* ---- merges */

static void save_many(unsigned count, unsigned ids)
{
	for (unsigned i = 0; i < count; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%u", i % ids);
		if (i % 5 == 4)
			keeper_delete(k, TABLE_JOBS, id);
		else
			keeper_put(k, TABLE_JOBS, id, i, 0);
		if (i % 3 == 0)
			keeper_put(k, TABLE_RUNS, id, i, 0);
		ck_assert_int_eq(keeper_commit(k), DISK_OK);
	}
}

START_TEST(small_segments_become_many_or_lose_something_when_merged)
{
	save_many(100, 7);
	struct journal_stats s = keeper_stats(k);
	ck_assert_uint_ge(s.merges, 5);
	ck_assert_uint_le(s.segments, 8 + 16 + 16);
	ck_assert_uint_eq(keeper_segments(k), s.segments);
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(keeper_stats(k).segments, s.segments);
	save_many(100, 9);
	keeper_verify(k);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
}
END_TEST

START_TEST(a_merge_touches_the_highest_segment)
{
	for (int i = 0; i < 60; i++) {
		keeper_save(k, TABLE_JOBS, "a", (uint64_t)i);
		struct segment_head head = read_head(keeper_stats(k).commits);
		ck_assert_uint_eq(head.seq - head.prev, 1);
	}
}
END_TEST

START_TEST(what_a_merge_leaves_out_is_not_stated)
{
	keeper_save(k, TABLE_RUNS, "r", 1);
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_clock += 10000;
	journal_tick(k->journal);
	for (int i = 0; i < 3; i++) /* the jobs are folded; then the runs' fold fails for a long time */
		keeper_step(k);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_OPENAT, .name = "runs.json", .nth = 1,
	                                                  .sticky = true, .number = ENOSPC});
	keeper_drain(k);
	ck_assert_uint_eq(keeper_stats(k).folds, 1);
	for (uint64_t i = 0; i < 40; i++) {
		keeper_clock += 2000;
		keeper_save(k, TABLE_RUNS, "q", i);
	}
	ck_assert_uint_ge(keeper_stats(k).merges, 1);
	struct segment_head head = {0};
	for (uint64_t seq = 1; seq < 40 && head.without[TABLE_JOBS] == 0; seq++) {
		char name[SEGMENT_NAME_LEN + 1];
		segment_name(seq, name);
		if (disk_exists(k->disk, &k->dirs.journal, name))
			head = read_head(seq);
	}
	ck_assert_uint_eq(head.without[TABLE_JOBS], 2);
	ck_assert_uint_eq(head.without[TABLE_RUNS], 0);
	ck_assert_uint_eq(head.tables, 1u << TABLE_RUNS);
	ck_assert_uint_eq(head.first, 1);
	keeper_verify(k);
	heal();
	keeper_restart(k);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
}
END_TEST

/* A merge opens, asks for the size of, reads and closes it; then it can neither rename nor unlink it. */
static void cannot_remove(const char *name, bool sticky)
{
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.name = name, .nth = 5, .times = 2, .sticky = sticky,
	                                                  .number = EIO});
}

/* Merged are segments 2 to 9, beside a large one; then, because a fold makes that one small, 1 to 8: if the first
 * merge has happened all the same, 9 goes on from 1, which must not be gone. */
START_TEST(a_merge_that_may_have_happened_makes_a_start_impossible)
{
	k->options.fold_floor = 8 << 20;
	keeper_restart(k);
	keeper_put(k, TABLE_RUNS, "r", 1, 5 << 20);
	keeper_put(k, TABLE_JOBS, "a", 1, 0);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	for (uint64_t i = 2; i < 10; i++)
		keeper_save(k, TABLE_JOBS, "a", i);
	ck_assert_uint_eq(keeper_stats(k).merges, 0);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .name = "journal", .nth = 2,
	                                                  .number = EIO});
	keeper_save(k, TABLE_JOBS, "a", 10);
	ck_assert(faulty_disk_fired(&k->faulty));
	ck_assert(!journal_degraded(k->journal, NULL));
	ck_assert_uint_eq(read_head(9).prev, 1);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_OPENAT, .name = "jobs.json", .nth = 1,
	                                                  .sticky = true, .number = EIO});
	keeper_put(k, TABLE_RUNS, "r", 2, 5 << 20);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	while (keeper_stats(k).merges == 0) {
		keeper_clock += 1100;
		keeper_save(k, TABLE_JOBS, "b", 2);
		keeper_verify(k);
	}
	ck_assert_uint_eq(keeper_stats(k).folds, 1); /* of the runs */
	heal();
	keeper_restart(k);
	keeper_verify(k);
}
END_TEST

static bool is_kept_by_hand(const char *name)
{
	return strstr(name, ".edited-");
}

/* _i: 0 removed, 1 edited */
START_TEST(a_segment_that_somebody_removes_or_edits_while_it_runs_is_missed_by_the_next_start)
{
	char path[512];
	k->options.fold_floor = 8 << 20; /* so that no fold is due */
	keeper_restart(k);
	keeper_put(k, TABLE_RUNS, "r", 1, 5 << 20);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	for (uint64_t i = 1; i < 4; i++)
		keeper_save(k, TABLE_JOBS, "a", i);
	uint64_t folds = keeper_stats(k).folds;
	snprintf(path, sizeof path, "%s/00000000000000000003.json", k->dirs.journal.path);
	if (_i == 0) {
		ck_assert_int_eq(unlink(path), 0);
	} else {
		FILE *file = fopen(path, "w");
		fputs("by hand", file);
		fclose(file);
	}
	for (uint64_t i = 4; i < 24; i++)
		keeper_save(k, TABLE_JOBS, "b", i);
	ck_assert_uint_gt(keeper_stats(k).folds, folds);
	ck_assert(!journal_degraded(k->journal, NULL));
	keeper_restart(k); /* not a clean stop */
	keeper_verify(k);
	ck_assert_uint_eq(scratch_count(&k->scratch, "journal", is_kept_by_hand), (unsigned)_i);
}
END_TEST

START_TEST(a_merge_without_a_descriptor_blames_somebody_and_writes_everything_anew)
{
	static const int numbers[] = {EMFILE, ENFILE, ENOMEM};
	save_many(3, 3);
	uint64_t folds = keeper_stats(k).folds;
	break_one(_i < 2 ? FAULTY_OPENAT : FAULTY_PREAD, "000003.json", numbers[_i]);
	save_many(17, 3);
	ck_assert(faulty_disk_fired(&k->faulty));
	ck_assert_uint_eq(keeper_stats(k).folds, folds);
	ck_assert_uint_eq(scratch_count(&k->scratch, "journal", is_kept_by_hand), 0);
	keeper_clock += 1000;
	save_many(1, 3);
	ck_assert_uint_ge(keeper_stats(k).merges, 1);
	keeper_verify(k);
}
END_TEST

/* What a repair looks at must not pass for what the daemon wrote. */
START_TEST(what_somebody_wrote_into_a_snapshot_is_written_over_after_a_repair)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_settle(k);
	scratch_write(&k->scratch, "jobs.json", SPAN("{\"jobs\":[]}"));
	break_one(FAULTY_FSYNC, "journal", EIO);
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 2), DISK_UNKNOWN);
	heal();
	keeper_wait(k, 100);
	ck_assert(!journal_degraded(k->journal, NULL));
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 3), DISK_OK);
	keeper_settle(k);
	keeper_verify(k);
	ck_assert_uint_eq(scratch_count(&k->scratch, "", is_kept_by_hand), 1);
}
END_TEST

static int no_links(void *context, int dir, const char *name, const char *second)
{
	(void)context, (void)dir, (void)name, (void)second;
	errno = EPERM;
	return -1;
}

/* The kernel lets nobody link a file of another user (fs.protected_hardlinks), and some file systems have no links. */
START_TEST(a_snapshot_that_another_user_has_put_there_keeps_the_journal_growing)
{
	k->disk = &k->quick;
	k->quick_ops.linkat = no_links;
	keeper_restart(k);
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_settle(k);
	scratch_write(&k->scratch, "jobs.json", SPAN("{\"jobs\":[]}"));
	keeper_save(k, TABLE_JOBS, "b", 2);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	ck_assert_uint_eq(scratch_count(&k->scratch, "", is_kept_by_hand), 1);
	keeper_verify(k);
}
END_TEST

START_TEST(segments_that_a_merge_replaced_and_could_not_remove_stay_for_ever)
{
	save_many(3, 3);
	cannot_remove("000002.json", false);
	save_many(17, 3);
	ck_assert_uint_ge(keeper_stats(k).merges, 1);
	ck_assert_uint_eq(keeper_segments(k), keeper_stats(k).segments + 1);
	keeper_verify(k);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
}
END_TEST

START_TEST(strays_of_a_merge_confuse_a_start)
{
	save_many(3, 3);
	cannot_remove("000002.json", true);
	save_many(17, 3);
	ck_assert_uint_gt(keeper_segments(k), keeper_stats(k).segments);
	heal();
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(keeper_segments(k), keeper_stats(k).segments);
	keeper_verify(k);
}
END_TEST

/* ---- starts */

START_TEST(a_new_directory_has_no_files_to_start_from_next_time)
{
	struct buf text = {0};
	ck_assert(scratch_read(&k->scratch, "artifacts.json", &text));
	ck_assert_ptr_nonnull(strstr(text.at, journal_store(k->journal)));
	buf_free(&text);
	char store[STORE_ID_LEN + 1];
	strcpy(store, journal_store(k->journal));
	keeper_restart(k);
	ck_assert_str_eq(journal_store(k->journal), store);
}
END_TEST

START_TEST(the_last_commit_of_the_process_before_is_taken_for_durable)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_save(k, TABLE_JOBS, "b", 2);
	keeper_end(k);
	k->faulty.logging = true;
	faulty_disk_forget(&k->faulty);
	ck_assert(keeper_start(k));
	const char *log = faulty_disk_log(&k->faulty);
	ck_assert_ptr_nonnull(strstr(log, "renameat 00000000000000000002.json.*.tmp 00000000000000000002.json\nfsync journal\n"));
	ck_assert_ptr_null(strstr(log, "renameat 00000000000000000001"));
	struct segment_head head = read_head(2);
	ck_assert_uint_eq(head.prev, 1);
	ck_assert_uint_eq(head.first, 2);
	ck_assert_uint_eq(head.changed[TABLE_JOBS], 1);
	keeper_verify(k);
}
END_TEST

START_TEST(a_start_that_cannot_harden_takes_changes_or_writes_over_what_it_has)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_save(k, TABLE_ARTIFACTS, "x", 1);
	keeper_delete(k, TABLE_ARTIFACTS, "x");
	keeper_payload(k, "x.json", NULL);
	keeper_commit(k);
	scratch_write(&k->scratch, "artifacts/x.json", SPAN("{}"));
	keeper_end(k);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_FDATASYNC, .name = "000003.json", .nth = 1,
	                                                  .sticky = true, .number = EROFS});
	ck_assert(keeper_start(k));
	struct disk_error why;
	ck_assert(journal_degraded(k->journal, &why));
	ck_assert_int_eq(why.number, EROFS);
	ck_assert(!journal_ready(k->journal));
	ck_assert(journal_wants_tick(k->journal));
	for (int i = 0; i < 100; i++)
		keeper_wait(k, 100);
	ck_assert_uint_eq(keeper_stats(k).folds, 0);
	ck_assert(keeper_has_payload(k, "x.json", NULL)); /* its deletion may yet be lost */
	ck_assert_uint_eq(k->kept.shelves[TABLE_JOBS].count, 1);
	heal();
	for (int i = 0; i < 60; i++)
		keeper_wait(k, 100);
	ck_assert(!journal_degraded(k->journal, NULL));
	ck_assert(!keeper_has_payload(k, "x.json", NULL));
	ck_assert_uint_eq(k->state_changes, 1);
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 2), DISK_OK);
	keeper_verify(k);
}
END_TEST

START_TEST(a_directory_of_the_python_classes_cannot_be_taken_over)
{
	keeper_end(k);
	scratch_remove(&k->scratch);
	scratch_make(&k->scratch);
	scratch_write(&k->scratch, "jobs.json", SPAN("{\"jobs\": [\n {\"id\":\"a\",\"v\":1},\n {\"id\":\"b\",\"v\":2} ]}\n"));
	scratch_write(&k->scratch, "runs.json", SPAN("{\"runs\": []}"));
	ck_assert(keeper_start(k));
	ck_assert(!journal_degraded(k->journal, NULL));
	k->next = 3; /* the sink gave the records their revisions */
	keeper_put(k, TABLE_JOBS, "a", 3, 0);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(journal_revision(k->journal), 3);
	keeper_verify(k);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_stats(k).folds, 2);
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(k->kept.shelves[TABLE_JOBS].count, 2);
	ck_assert(!journal_wants_tick(k->journal));
}
END_TEST

/* ---- spare files */

static unsigned tmp_files(void)
{
	return scratch_count(&k->scratch, "journal", disk_is_tmp);
}

/* Until a merge has left some, and a commit has made them durable. */
static void make_spares(void)
{
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "a", 1000000), DISK_OK);
	ck_assert_uint_eq(keeper_stats(k).merges, 1);
	ck_assert_uint_ge(keeper_stats(k).spares, 5);
	ck_assert_uint_eq(tmp_files(), keeper_stats(k).spares);
}

START_TEST(a_commit_makes_a_new_file_although_there_is_one_to_write_over)
{
	make_spares();
	uint64_t spares = keeper_stats(k).spares;
	faulty_disk_forget(&k->faulty);
	k->faulty.logging = true;
	keeper_save(k, TABLE_JOBS, "a", 2000000);
	ck_assert_str_eq(faulty_disk_log(&k->faulty),
		"openat spare.*.tmp\nfstat spare.*.tmp\nwritev spare.*.tmp\nfdatasync spare.*.tmp\nclose spare.*.tmp\n"
		"renameat spare.*.tmp 00000000000000000011.json\nfsync journal\nopenat 00000000000000000011.json\n"
		"close 00000000000000000011.json\n");
	ck_assert_uint_eq(keeper_stats(k).spares, spares - 1);
	ck_assert_uint_eq(keeper_stats(k).spare_bytes, (spares - 1) * 512);
	keeper_verify(k);
}
END_TEST

/* Each line of the log, up to its end. */
static void count_line(const char *line, unsigned *fresh, unsigned *durable, unsigned *taken)
{
	if (strncmp(line, "renameat 0", 10) == 0 && strstr(line, " spare.") && strstr(line, " spare.") < strchr(line, '\n'))
		++*fresh;
	if (strncmp(line, "fsync journal\n", 14) == 0) {
		*durable += *fresh;
		*fresh = 0;
	}
	if (strncmp(line, "openat spare.*.tmp\nfchmod", 25) == 0)
		++*fresh; /* made in advance */
	if (strncmp(line, "fstat spare.", 12) == 0) {
		ck_assert_uint_gt(*durable, *taken);
		++*taken;
	}
}

START_TEST(the_first_commits_after_a_start_each_wait_for_a_new_file)
{
	k->faulty.logging = true;
	for (int i = 0; i < 6; i++)
		keeper_save(k, TABLE_JOBS, "a", 1);
	unsigned over = 0;
	for (const char *at = faulty_disk_log(&k->faulty); (at = strstr(at, "fdatasync spare.")); at++)
		over++;
	ck_assert_uint_ge(over, 2);
	ck_assert_uint_ge(keeper_stats(k).bytes_written, (6 + over) * 512);
	keeper_verify(k);
	keeper_restart(k);
	keeper_verify(k);
	ck_assert_uint_eq(tmp_files(), 0);
}
END_TEST

START_TEST(a_recycled_file_shows_new_bytes_under_its_old_name)
{
	unsigned fresh = 0, durable = 0, taken = 0;
	faulty_disk_forget(&k->faulty);
	k->faulty.logging = true;
	for (int i = 0; i < 100; i++) {
		save_many(1 + (unsigned)i % 2, 3);
		if (i % 30 == 29)
			keeper_wait(k, 1500);
	}
	for (const char *line = faulty_disk_log(&k->faulty); line && *line; line = strchr(line, '\n') + 1)
		count_line(line, &fresh, &durable, &taken);
	ck_assert_uint_gt(taken, 30);
	keeper_verify(k);
	keeper_restart(k);
	keeper_verify(k);
	ck_assert_uint_eq(tmp_files(), 0);
}
END_TEST

START_TEST(a_file_is_written_over_although_its_old_name_may_come_back_after_a_failed_fsync)
{
	make_spares();
	break_one(FAULTY_FSYNC, "journal", EIO);
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 1), DISK_UNKNOWN);
	ck_assert_uint_eq(keeper_stats(k).spares, 0);
	ck_assert_uint_eq(tmp_files(), 0);
	keeper_wait(k, 1000);
	ck_assert(!journal_degraded(k->journal, NULL));
	faulty_disk_forget(&k->faulty);
	k->faulty.logging = true;
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "b", 2), DISK_OK);
	ck_assert_ptr_null(strstr(faulty_disk_log(&k->faulty), "fstat spare"));
	keeper_verify(k);
}
END_TEST

START_TEST(a_spare_file_that_fails_takes_a_commit_or_the_store_with_it)
{
	static const enum faulty_call calls[] = {FAULTY_OPENAT, FAULTY_FSTAT, FAULTY_WRITEV, FAULTY_FDATASYNC,
	                                         FAULTY_CLOSE};
	make_spares();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		uint64_t spares = keeper_stats(k).spares;
		break_one(calls[i], "spare", EIO);
		enum disk_result got = keeper_save(k, TABLE_JOBS, "a", 3000000 + i);
		ck_assert(faulty_disk_fired(&k->faulty));
		ck_assert_int_eq(got, calls[i] == FAULTY_OPENAT || calls[i] == FAULTY_FSTAT ? DISK_OK : DISK_FAILED);
		ck_assert_uint_eq(keeper_stats(k).spares, got == DISK_OK ? spares - 2 : 0);
		ck_assert_uint_eq(tmp_files(), keeper_stats(k).spares);
		keeper_verify(k);
		ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "c", i), DISK_OK);
		if (keeper_stats(k).spares == 0)
			save_many(20, 3);
	}
	keeper_verify(k);
}
END_TEST

START_TEST(a_full_disk_stays_full_of_spare_files)
{
	make_spares();
	break_one(FAULTY_WRITEV, "jobs.json", ENOSPC);
	keeper_wait(k, 1500);
	ck_assert_uint_eq(keeper_stats(k).fold_failures, 1);
	faulty_disk_forget(&k->faulty);
	k->faulty.logging = true;
	keeper_wait(k, 1100);
	const char *unlinked = strstr(faulty_disk_log(&k->faulty), "unlinkat spare.*.tmp\n");
	const char *folded = strstr(faulty_disk_log(&k->faulty), "openat jobs.json.*.tmp\n");
	ck_assert(unlinked && folded && unlinked < folded);
	ck_assert_uint_eq(keeper_stats(k).folds, 1);
	keeper_verify(k);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
}
END_TEST

START_TEST(a_clean_stop_or_a_start_leaves_spare_files)
{
	make_spares();
	keeper_restart(k); /* as after a kill */
	ck_assert_uint_eq(tmp_files(), 0);
	ck_assert_uint_eq(keeper_stats(k).spares, 0);
	save_many(30, 3);
	ck_assert_uint_gt(tmp_files(), 0);
	ck_assert(keeper_stop(k));
	ck_assert_uint_eq(scratch_count(&k->scratch, "journal", NULL), 0);
	keeper_restart(k);
	keeper_verify(k);
	save_many(30, 3);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_WRITEV, .name = "jobs.json", .nth = 1,
	                                                  .sticky = true, .number = ENOSPC});
	ck_assert(!keeper_stop(k));
	ck_assert_uint_eq(tmp_files(), 0);
}
END_TEST

/* ---- stops */

START_TEST(a_clean_stop_leaves_a_journal_behind)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_save(k, TABLE_RUNS, "r", 2);
	k->faulty.logging = true;
	faulty_disk_forget(&k->faulty);
	ck_assert(keeper_stop(k));
	ck_assert_uint_eq(keeper_segments(k), 0);
	ck_assert(journal_idle(k->journal));
	ck_assert_ptr_nonnull(strstr(faulty_disk_log(&k->faulty), "unlinkat 00000000000000000002.json\nfsync journal\n"));
	keeper_verify(k);
	keeper_restart(k);
	ck_assert_uint_eq(journal_revision(k->journal), 2);
	keeper_verify(k);
}
END_TEST

START_TEST(progress_that_only_memory_has_is_lost_at_a_clean_stop)
{
	k->stale = true;
	ck_assert(keeper_stop(k));
	ck_assert_uint_eq(keeper_stats(k).folds, 1);
	ck_assert(!k->stale);
	keeper_verify(k);
}
END_TEST

START_TEST(a_stop_forgets_the_commit_under_way)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	keeper_clock += 5000;
	journal_tick(k->journal); /* a fold is under way, too */
	keeper_put(k, TABLE_JOBS, "b", 2, 0);
	keeper_begin_commit(k);
	ck_assert(keeper_stop(k));
	ck_assert_int_eq(k->result, DISK_OK);
	ck_assert_uint_eq(k->kept.shelves[TABLE_JOBS].count, 2);
	ck_assert_uint_eq(keeper_segments(k), 0);
	keeper_verify(k);
}
END_TEST

START_TEST(a_stop_whose_fold_fails_says_that_all_is_well)
{
	keeper_save(k, TABLE_JOBS, "a", 1);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_WRITEV, .name = "jobs.json", .nth = 1,
	                                                  .sticky = true, .number = ENOSPC});
	ck_assert(!keeper_stop(k));
	ck_assert_uint_eq(keeper_segments(k), 1);
	keeper_verify(k);
}
END_TEST

static void stop_inside(struct keeper *me)
{
	me->then = NULL;
	journal_stop(me->journal, keeper_stopped, me);
}

START_TEST(a_stop_that_a_commits_answer_brings_about_folds_too_early)
{
	k->then = stop_inside;
	keeper_save(k, TABLE_JOBS, "a", 1);
	ck_assert_uint_eq(k->stops, 1);
	ck_assert(k->folded);
	keeper_verify(k);
}
END_TEST

START_TEST(a_commit_that_hangs_is_not_told_of)
{
	char reason[256] = "";
	keeper_put(k, TABLE_JOBS, "a", 1, 0);
	keeper_begin_commit(k);
	for (int i = 0; i < 19; i++, keeper_clock += 250) {
		ck_assert(journal_wants_tick(k->journal));
		journal_tick(k->journal);
	}
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_SOUND);
	ck_assert_uint_eq(k->state_changes, 0);
	keeper_clock += 250;
	journal_tick(k->journal);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_WAITING);
	ck_assert_str_eq(reason, "the disk has not answered for 5 s: commit 1 waits for it");
	ck_assert_uint_eq(k->state_changes, 1);
	keeper_drain(k);
	ck_assert_int_eq(k->result, DISK_OK);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_SOUND);
	ck_assert_uint_eq(k->state_changes, 2);
}
END_TEST

/* For as long as a probe fills the disk nobody's small change goes through. */
START_TEST(a_probe_of_a_full_disk_takes_the_room_that_small_changes_have)
{
	char reason[256] = "";
	break_one(FAULTY_WRITEV, "000001.json", ENOSPC);
	keeper_put(k, TABLE_JOBS, "large", 1, 100000);
	ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
	heal();
	k->faulty.room = 150000;
	unsigned writes = k->faulty.calls[FAULTY_WRITEV];
	keeper_wait(k, 1000);
	keeper_wait(k, 2000);
	ck_assert_uint_eq(k->faulty.calls[FAULTY_WRITEV], writes);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_REFUSED);
	ck_assert_ptr_nonnull(strstr(reason, ": No space left on device"));
	k->faulty.room = 1000000;
	keeper_wait(k, 5000);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_SOUND);
}
END_TEST

/* artifacts/ may be on a disk of its own, or closed by somebody. */
START_TEST(a_place_for_payloads_that_refuses_them_is_said_to_be_well)
{
	char reason[256] = "";
	k->state_changes = 0;
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_FSYNC, .name = "artifacts", .nth = 1, .sticky = true,
	                                                  .number = EIO});
	keeper_put(k, TABLE_ARTIFACTS, "x", 1, 0);
	keeper_payload(k, "x.json", "x");
	ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_REFUSED);
	keeper_put(k, TABLE_JOBS, "larger", 1, 1000);
	ck_assert_int_eq(keeper_commit(k), DISK_OK);
	for (int i = 0; i < 20; i++)
		keeper_wait(k, 1000);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_REFUSED);
	ck_assert_str_eq(reason, "fsync artifacts: Input/output error");
	heal();
	keeper_wait(k, 5000);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_SOUND);
	ck_assert_uint_eq(k->state_changes, 2);
	ck_assert_uint_eq(scratch_count(&k->scratch, "artifacts", NULL), 0);
}
END_TEST

static unsigned still_to_come;

static void and_another(struct keeper *me)
{
	if (still_to_come-- == 0) {
		me->then = NULL;
		return;
	}
	keeper_put(me, TABLE_JOBS, "small", still_to_come, 0);
	keeper_begin_commit(me);
	keeper_clock += 250;
}

/* Where each commit begins when the one before has ended there is no moment without one. */
START_TEST(a_disk_that_was_full_is_said_to_be_full_for_as_long_as_there_is_load)
{
	char reason[256];
	break_one(FAULTY_WRITEV, "000001.json", ENOSPC);
	keeper_put(k, TABLE_JOBS, "large", 1, 100000);
	ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
	heal();
	k->state_changes = 0;
	still_to_come = 100;
	k->then = and_another;
	keeper_put(k, TABLE_JOBS, "small", 1, 0);
	keeper_begin_commit(k);
	while (still_to_come > 20)
		keeper_step(k);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_SOUND);
	keeper_drain(k);
	ck_assert_uint_eq(k->state_changes, 1);
	keeper_settle(k);
	keeper_verify(k);
}
END_TEST

static bool is_left_behind(const char *name)
{
	return disk_is_tmp(name) && !spares_is_name(name);
}

/* Small changes that still go through do not say that a large one would; a probe of its size does. */
START_TEST(a_full_disk_is_said_to_be_well_by_what_is_small)
{
	char reason[256] = "";
	k->disk = &k->faulty.disk;
	keeper_restart(k);
	k->state_changes = 0;
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_WRITEV, .nth = 1, .number = ENOSPC});
	keeper_put(k, TABLE_JOBS, "large", 1, 100000);
	ck_assert_int_eq(keeper_commit(k), DISK_FAILED);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_REFUSED);
	ck_assert_ptr_nonnull(strstr(reason, ": No space left on device"));
	ck_assert_int_eq(keeper_save(k, TABLE_JOBS, "small", 1), DISK_OK);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_REFUSED);
	ck_assert_uint_eq(k->state_changes, 1);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){.call = FAULTY_WRITEV, .nth = 1, .number = ENOSPC});
	keeper_wait(k, 1000);
	ck_assert(faulty_disk_fired(&k->faulty));
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_REFUSED);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){0});
	keeper_wait(k, 2000);
	ck_assert_int_eq(journal_health(k->journal, reason, sizeof reason), JOURNAL_SOUND);
	ck_assert_uint_eq(k->state_changes, 2);
	ck_assert_uint_eq(scratch_count(&k->scratch, "journal", is_left_behind), 0);
	keeper_settle(k);
	keeper_verify(k);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("journal");
	TCase *c = tcase_create("journal");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, an_acknowledged_change_is_lost_at_a_restart);
	tcase_add_test(c, a_commit_is_acknowledged_before_its_bytes_are_safe);
	tcase_add_test(c, segments_do_not_say_what_a_loader_needs_to_follow_them);
	tcase_add_test(c, a_full_disk_loses_what_was_acknowledged_or_keeps_what_was_refused);
	tcase_add_test(c, a_payload_of_a_refused_save_stays);
	tcase_add_test(c, a_refused_import_takes_the_payload_file_that_was_there_before);
	tcase_add_test(c, the_payload_of_a_deleted_artifact_stays_readable_because_one_unlink_failed);
	tcase_add_test(c, a_segment_goes_while_the_payload_that_it_deletes_is_still_there);
	tcase_add_loop_test(c, an_artifact_that_comes_back_loses_its_payload_to_an_unlink_that_is_repeated, 0, 2);
	tcase_add_test(c, one_payload_that_cannot_be_removed_keeps_those_that_are_deleted_after_it);
	tcase_add_test(c, a_directory_in_the_place_of_a_payload_that_goes_keeps_the_journal_growing);
	tcase_add_test(c, a_payload_that_somebody_protects_keeps_the_journal_growing);
	tcase_add_test(c, a_batch_of_one_kind_of_changes_is_refused);
	tcase_add_test(c, the_next_batch_cannot_begin_when_the_one_before_it_is_done);
	tcase_add_test(c, threads_get_in_each_others_way);
	tcase_add_test(c, a_change_whose_outcome_was_unknown_comes_back_after_the_repair);
	tcase_add_test(c, the_payload_of_a_change_that_did_not_happen_stays_after_the_repair);
	tcase_add_test(c, a_repair_that_fails_is_not_tried_again_or_without_pause);
	tcase_add_test(c, a_stop_while_degraded_hangs_or_claims_to_have_folded);
	tcase_add_test(c, a_stop_while_degraded_does_not_even_try_the_repair);
	tcase_add_test(c, an_idle_store_is_not_folded_into_its_files);
	tcase_add_test(c, a_larger_store_is_folded_as_eagerly_as_a_tiny_one);
	tcase_add_test(c, a_fold_holds_commits_up_or_takes_up_their_changes);
	tcase_add_test(c, a_fold_that_fails_loses_something_or_is_never_tried_again);
	tcase_add_test(c, segments_that_only_a_snapshot_in_the_page_cache_covers_go);
	tcase_add_test(c, segments_that_could_not_be_removed_pile_up);
	tcase_add_test(c, an_idle_daemon_wakes_up);
	tcase_add_test(c, a_busy_small_table_holds_up_the_chain_for_its_neighbour);
	tcase_add_test(c, small_segments_become_many_or_lose_something_when_merged);
	tcase_add_test(c, a_merge_touches_the_highest_segment);
	tcase_add_test(c, what_a_merge_leaves_out_is_not_stated);
	tcase_add_test(c, a_merge_that_may_have_happened_makes_a_start_impossible);
	tcase_add_loop_test(c, a_segment_that_somebody_removes_or_edits_while_it_runs_is_missed_by_the_next_start, 0, 2);
	tcase_add_loop_test(c, a_merge_without_a_descriptor_blames_somebody_and_writes_everything_anew, 0, 3);
	tcase_add_test(c, what_somebody_wrote_into_a_snapshot_is_written_over_after_a_repair);
	tcase_add_test(c, a_snapshot_that_another_user_has_put_there_keeps_the_journal_growing);
	tcase_add_test(c, segments_that_a_merge_replaced_and_could_not_remove_stay_for_ever);
	tcase_add_test(c, strays_of_a_merge_confuse_a_start);
	tcase_add_test(c, a_new_directory_has_no_files_to_start_from_next_time);
	tcase_add_test(c, the_last_commit_of_the_process_before_is_taken_for_durable);
	tcase_add_test(c, a_start_that_cannot_harden_takes_changes_or_writes_over_what_it_has);
	tcase_add_test(c, a_directory_of_the_python_classes_cannot_be_taken_over);
	tcase_add_test(c, a_commit_makes_a_new_file_although_there_is_one_to_write_over);
	tcase_add_test(c, the_first_commits_after_a_start_each_wait_for_a_new_file);
	tcase_add_test(c, a_recycled_file_shows_new_bytes_under_its_old_name);
	tcase_add_test(c, a_file_is_written_over_although_its_old_name_may_come_back_after_a_failed_fsync);
	tcase_add_test(c, a_spare_file_that_fails_takes_a_commit_or_the_store_with_it);
	tcase_add_test(c, a_full_disk_stays_full_of_spare_files);
	tcase_add_test(c, a_clean_stop_or_a_start_leaves_spare_files);
	tcase_add_test(c, a_clean_stop_leaves_a_journal_behind);
	tcase_add_test(c, progress_that_only_memory_has_is_lost_at_a_clean_stop);
	tcase_add_test(c, a_stop_forgets_the_commit_under_way);
	tcase_add_test(c, a_stop_whose_fold_fails_says_that_all_is_well);
	tcase_add_test(c, a_stop_that_a_commits_answer_brings_about_folds_too_early);
	tcase_add_test(c, a_commit_that_hangs_is_not_told_of);
	tcase_add_test(c, a_full_disk_is_said_to_be_well_by_what_is_small);
	tcase_add_test(c, a_probe_of_a_full_disk_takes_the_room_that_small_changes_have);
	tcase_add_test(c, a_place_for_payloads_that_refuses_them_is_said_to_be_well);
	tcase_add_test(c, a_disk_that_was_full_is_said_to_be_full_for_as_long_as_there_is_load);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
