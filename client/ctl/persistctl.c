/* persistctl: the daemon from a shell. */
#include "client/ctl/bar.h"
#include "client/ctl/command.h"
#include <locale.h>
#include <signal.h>
#include <unistd.h>

/* Nothing is held that would need putting away, so the handler may leave from wherever it is. */
static void interrupted(int signal)
{
	(void)signal;
	bar_interrupted();
	_exit(EXIT_INTERRUPTED);
}

int main(int argc, char **argv)
{
	/* what is a letter and how wide it is; numbers keep their point */
	setlocale(LC_CTYPE, "");
	if (signal(SIGINT, interrupted) == SIG_IGN)
		signal(SIGINT, SIG_IGN);
	return (int)command_main(argc, argv);
}
