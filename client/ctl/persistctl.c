/* persistctl: the daemon from a shell. */
#include "client/ctl/command.h"
#include "client/ctl/interrupt.h"
#include <locale.h>

int main(int argc, char **argv)
{
	/* what is a letter and how wide it is; numbers keep their point */
	setlocale(LC_CTYPE, "");
	interrupt_start();
	return (int)command_main(argc, argv);
}
