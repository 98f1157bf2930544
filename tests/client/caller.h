/* caller: a program with one client, and what it expects of its calls. Each function fails the running test
 * where the expectation does not hold. */
#pragma once
#include "client/persist.h"
#include "tests/client/fake.h"
#include "tests/integration/daemon.h"

extern persist_client *c;
extern persist_result *r; /* what a call under test puts its result into */
extern persist_error e;

void opened(void);         /* c, at the fake's socket, with a timeout that no test should need */
void opened_at(const char *socket);
void played(void);         /* closes c, and ends the fake's script */

int get(void);             /* job.get, a read */
int save(void);            /* job.save, a change */
void *kept(void *memory); /* it, until the test's end: what is not, nor freed, is a leak */
char *padded(const char *before, size_t size, const char *after); /* so many x between them; owned */
persist_value large_job(void); /* more than any socket takes in at once; its id is "large" */
persist_value large_params(void); /* of job.save, with that job */

/* Of calls that put what they got into r and e. */
void expect_result(int code, const char *wanted);
void expect_error(int code, int wanted, enum persist_outcome outcome);
