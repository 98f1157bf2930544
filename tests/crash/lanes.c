#include "tests/crash/lanes.h"
#include "proto/mem.h"
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

struct lane {
	pthread_t thread;
	struct flush_job *job;
	sem_t go, halted;
	bool finished;
};

static _Thread_local struct lane *mine;

static void *run(void *argument)
{
	mine = argument;
	lanes_pause();
	mine->job->work(mine->job);
	mine->finished = true;
	sem_post(&mine->halted);
	return NULL;
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) != 0)
		; /* a signal */
}

void lanes_pause(void)
{
	if (!mine)
		return;
	sem_post(&mine->halted);
	wait_for(&mine->go);
}

void lanes_add(struct lanes *l, struct flush_job *job)
{
	struct lane *lane = mem_zero(sizeof *lane);
	int i = 0;
	while (l->lane[i])
		i++;
	assert(i < LANES);
	lane->job = job;
	sem_init(&lane->go, 0, 0);
	sem_init(&lane->halted, 0, 0);
	int failed = pthread_create(&lane->thread, NULL, run, lane);
	assert(!failed);
	(void)failed;
	wait_for(&lane->halted);
	l->lane[i] = lane;
	l->live++;
}

void lanes_step(struct lanes *l, unsigned nth)
{
	int i = 0;
	for (;; i++)
		if (l->lane[i] && nth-- == 0)
			break;
	struct lane *lane = l->lane[i];
	sem_post(&lane->go);
	wait_for(&lane->halted);
	if (!lane->finished)
		return;
	struct flush_job *job = lane->job;
	pthread_join(lane->thread, NULL);
	sem_destroy(&lane->go);
	sem_destroy(&lane->halted);
	free(lane);
	l->lane[i] = NULL;
	l->live--;
	job->done(job);
}
