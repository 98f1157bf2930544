/* One script, run again and again with another call to the disk failing each time: what a start finds
 * afterwards is exactly what was acknowledged, and the journal takes changes again. */
#include "tests/unit/keeper.h"

static struct keeper *k;
static struct kept alternative; /* what is right, too, while an outcome is unknown */
static bool uncertain, fired;
static int patience; /* so many attempts, then a disk that fails for good is made well */

static void attempt(int tries)
{
	ck_assert_int_lt(tries, patience + 4);
	if (tries < patience || !k->faulty.plan.sticky)
		return;
	fired |= faulty_disk_fired(&k->faulty);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){0});
}
static unsigned value;

static bool is_payload(const char *name) { return !disk_is_tmp(name); }

/* Names of artifacts that were acknowledged have their payload; when all is settled there is no other. */
static void check_payloads(bool settled)
{
	struct row *r, *next;
	HASH_ITER(hh, k->kept.shelves[TABLE_ARTIFACTS].rows, r, next) {
		char name[64];
		snprintf(name, sizeof name, "%s.json", r->id);
		ck_assert_msg(keeper_has_payload(k, name, r->id), "the payload of %s is gone", r->id);
	}
	if (settled)
		ck_assert_uint_le(scratch_count(&k->scratch, "artifacts", is_payload),
		                  k->kept.shelves[TABLE_ARTIFACTS].count);
}

static void check(void)
{
	const char *differs = keeper_differs(k, &k->kept);
	if (differs && uncertain && !keeper_differs(k, &alternative))
		differs = NULL;
	ck_assert_msg(!differs, "%s", differs);
}

/* The answer has come, the repair has not run. */
static void note_unknown(struct keeper *me)
{
	if (me->result != DISK_UNKNOWN)
		return;
	kept_clear(&alternative);
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct row *r, *next;
		HASH_ITER(hh, me->kept.shelves[t].rows, r, next)
			shelf_put(&alternative.shelves[t], r->id, (struct span){r->text->at, r->text->len});
	}
	uncertain = true;
}

/* Commits what is gathered, whatever it takes. */
static void commit(void)
{
	struct segment_change changes[16];
	struct journal_payload payloads[KEEPER_PAYLOADS];
	size_t count = k->batch.change_count, payload_count = k->batch.payload_count;
	memcpy(changes, k->changes, count * sizeof *changes);
	memcpy(payloads, k->payloads, payload_count * sizeof *payloads);
	for (int tries = 0;; tries++) {
		attempt(tries);
		if (keeper_commit(k) == DISK_OK)
			break;
		if (k->result == DISK_UNKNOWN) {
			struct journal_batch again = {.changes = changes, .change_count = count};
			kept_apply(&alternative, &again);
			check();
			for (int i = 0; i < 100 && journal_degraded(k->journal, NULL); i++) {
				attempt(i / 30);
				check();
				keeper_wait(k, 100);
			}
			ck_assert(!journal_degraded(k->journal, NULL));
			uncertain = false;
		}
		check();
		check_payloads(false);
		memcpy(k->changes, changes, count * sizeof *changes);
		memcpy(k->payloads, payloads, payload_count * sizeof *payloads);
		k->batch.change_count = count;
		k->batch.payload_count = payload_count;
	}
}

static void save(enum table_id t, const char *id, size_t padding)
{
	keeper_put(k, t, id, ++value, padding);
	commit();
}

static void artifact(const char *id)
{
	char name[32];
	keeper_put(k, TABLE_ARTIFACTS, id, ++value, 0);
	snprintf(name, sizeof name, "%s.json", id);
	keeper_payload(k, name, id);
	commit();
}

static void remove_artifact(const char *id)
{
	char name[32];
	snprintf(name, sizeof name, "%s.json", id);
	keeper_delete(k, TABLE_ARTIFACTS, id);
	keeper_payload(k, name, NULL);
	commit();
}

static void start(void)
{
	struct kept before = k->kept;
	k->kept = (struct kept){0};
	for (int tries = 0; !keeper_start(k); tries++)
		attempt(tries); /* refused because of the fault */
	const char *differs = kept_differs(&before, &k->kept);
	ck_assert_msg(!differs, "%s", differs);
	kept_clear(&before);
	for (int i = 0; i < 100 && journal_degraded(k->journal, NULL); i++) {
		attempt(i / 30);
		check();
		keeper_wait(k, 100);
	}
	ck_assert(!journal_degraded(k->journal, NULL));
	check();
}

static void many(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char id[16];
		snprintf(id, sizeof id, "m%u", i % 3);
		save(i % 4 ? TABLE_JOBS : TABLE_RUNS, id, 0);
	}
}

static void script(void)
{
	start();
	save(TABLE_JOBS, "a", 10);
	artifact("x");
	artifact("y");
	check();
	keeper_wait(k, 1500); /* folds */
	check();
	many(9);
	check();
	ck_assert_msg(faulty_disk_fired(&k->faulty) || fired || keeper_stats(k).merges > 0,
	              "no merge with the fault at call %u", k->faulty.plan.nth);
	remove_artifact("x");
	keeper_delete(k, TABLE_JOBS, "a");
	save(TABLE_RUNS, "r", 300000);
	keeper_end(k);
	check_payloads(false);
	start();              /* hardens */
	many(6);
	keeper_wait(k, 7000);
	check();
	save(TABLE_JOBS, "b", 0);
	uint64_t failures = keeper_stats(k).fold_failures;
	ck_assert(keeper_stop(k) == (keeper_stats(k).fold_failures == failures));
	check();
	keeper_end(k);
	start();
	fired |= faulty_disk_fired(&k->faulty);
	faulty_disk_fail(&k->faulty, (struct faulty_plan){0});
	save(TABLE_JOBS, "last", 0);
	keeper_settle(k);
	ck_assert_uint_eq(keeper_segments(k), 0);
	check();
	check_payloads(true);
	ck_assert_uint_eq(k->freezes, k->thaws);
	keeper_restart(k);
	ck_assert_uint_eq(k->kept.shelves[TABLE_JOBS].count, 5);
	check();
}

/* False: the script ended before the fault's turn came. */
static bool run(struct faulty_plan plan, size_t short_write)
{
	k = mem_zero(sizeof *k);
	value = 0;
	uncertain = fired = false;
	keeper_clock = 1000;
	keeper_make(k);
	k->then = note_unknown;
	k->disk = &k->faulty.disk;
	k->options.merge_count = 4;
	k->faulty.short_write = short_write;
	faulty_disk_fail(&k->faulty, plan);
	k->faulty.logging = getenv("FAULT_LOG") != NULL;
	script();
	if (k->faulty.logging)
		fputs(faulty_disk_log(&k->faulty), stderr);
	keeper_unmake(k);
	kept_clear(&alternative);
	free(k);
	return fired;
}

/* In a memory file system: each of the runs syncs a few hundred times. */
static void use_memory(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
}

/* `step`: of so many calls one; with FAULT_EACH in the environment each. */
static void every_call(struct faulty_plan plan, unsigned step)
{
	plan.nth = 1;
	patience = plan.sticky ? 1 : 0;
	const char *at = getenv("FAULT_AT"); /* to look at one more closely */
	if (at)
		plan.nth = (unsigned)atoi(at);
	use_memory();
	while (run(plan, plan.nth % 3 == 0 ? 1000 : 0) && !at)
		plan.nth += getenv("FAULT_EACH") ? 1 : step;
	ck_assert(at || plan.nth > 500);
}

START_TEST(a_full_disk_at_any_moment_loses_or_invents_something)
{
	every_call((struct faulty_plan){.number = ENOSPC}, 1);
}
END_TEST

START_TEST(a_call_that_fails_after_it_has_worked_loses_or_invents_something)
{
	every_call((struct faulty_plan){.number = EIO, .done = true}, 2);
}
END_TEST

START_TEST(a_disk_that_fails_three_times_in_a_row_loses_or_invents_something)
{
	every_call((struct faulty_plan){.number = EIO, .times = 3}, 3);
}
END_TEST

START_TEST(a_disk_that_goes_away_and_comes_back_loses_or_invents_something)
{
	every_call((struct faulty_plan){.number = EIO, .sticky = true}, 3);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("journal faults");
	TCase *c = tcase_create("journal faults");
	tcase_set_timeout(c, 300);
	tcase_add_test(c, a_full_disk_at_any_moment_loses_or_invents_something);
	tcase_add_test(c, a_call_that_fails_after_it_has_worked_loses_or_invents_something);
	tcase_add_test(c, a_disk_that_fails_three_times_in_a_row_loses_or_invents_something);
	tcase_add_test(c, a_disk_that_goes_away_and_comes_back_loses_or_invents_something);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return unit_run(suite());
}
