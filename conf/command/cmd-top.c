/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: 2026 The netshim developers */

/* netshim top: what classes and their programs send and receive at this moment. */

#include "conf/command/terminal.h"
#include "conf/command/traffic.h"
#include "conf/command/verbs.h"
#include "conf/contract/sys.h"
#include "conf/language/alloc.h"

#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 1000 /* milliseconds */

static volatile sig_atomic_t ended;
static int sort_key = 'r';

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

/* --- the order */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int compare(const struct amounts *a, const char *name, const struct amounts *b, const char *other)
{
	int order = 0;

	if (sort_key == 'o')
		order = compare_numbers(a->sent, b->sent);
	else if (sort_key == 'i')
		order = compare_numbers(a->received, b->received);
	else if (sort_key == 'r')
		order = compare_numbers(a->sent + a->received, b->sent + b->received);
	return order ? order : strcmp(name, other);
}

static int compare_classes(const void *a, const void *b)
{
	const struct class_traffic *one = a;
	const struct class_traffic *other = b;

	return compare(&one->rate, one->name, &other->rate, other->name);
}

static int compare_programs(const void *a, const void *b)
{
	const struct class_program *one = a;
	const struct class_program *other = b;

	return compare(&one->rate, one->name, &other->rate, other->name);
}

/* --- the screen */

/* In characters that every terminal has, of eight heights. */
static void history_text(const struct class_traffic *class, char text[TRAFFIC_HISTORY + 1])
{
	static const char heights[] = " .:-=+*#";
	uint64_t most = 1;

	for (size_t i = 0; i < TRAFFIC_HISTORY; i++)
		most = class->history[i] > most ? class->history[i] : most;
	for (size_t i = 0; i < TRAFFIC_HISTORY; i++)
		text[i] = heights[class->history[i] ? 1 + class->history[i] * 6 / most : 0];
	text[TRAFFIC_HISTORY] = '\0';
}

static void draw_line(int line, const char *indent, const char *name, const struct amounts *rate, bool counts_in,
		      const char *history)
{
	char sent[TERMINAL_AMOUNT];
	char received[TERMINAL_AMOUNT];
	size_t width = 28 - strlen(indent);
	size_t letters = terminal_letters(name);
	char *text = printed("%s%.*s%*s %10s %10s  %s", indent, terminal_fitting(name, width), name,
			     letters < width ? (int)(width - letters) : 0, "",
			     terminal_amount(true, rate->sent, TERMINAL_BYTES, false, sent),
			     terminal_amount(counts_in, rate->received, TERMINAL_BYTES, false, received), history);

	str_printable(text);
	mvaddnstr(line, 0, text, terminal_fitting(text, (size_t)COLS));
	free(text);
}

static int draw_class(int line, struct class_traffic *class)
{
	char history[TRAFFIC_HISTORY + 1];

	history_text(class, history);
	attron(A_BOLD);
	draw_line(line++, "", class->name, &class->rate, class->classid, history);
	attroff(A_BOLD);
	if (class->program_count)
		qsort(class->programs, class->program_count, sizeof(*class->programs), compare_programs);
	for (size_t i = 0; i < class->program_count && line < LINES; i++)
		draw_line(line++, "  ", class->programs[i].name, &class->programs[i].rate, true, "");
	return line;
}

static void draw(struct traffic *t, bool up)
{
	int line = 2;

	erase();
	mvaddnstr(0, 0, "netshim top   q quit   sort by: r rate, o out, i in, n name", COLS);
	attron(A_REVERSE);
	mvaddnstr(1, 0, "CLASS                             OUT/s       IN/s  HISTORY             ", COLS);
	attroff(A_REVERSE);
	if (!up)
		mvaddnstr(2, 0, "netshim is not up, or its table is gone: 'netshim status' tells more", COLS);
	if (t->count)
		qsort(t->classes, t->count, sizeof(*t->classes), compare_classes);
	for (size_t i = 0; up && i < t->count && line < LINES; i++)
		line = draw_class(line, &t->classes[i]);
	refresh();
}

static void heed(int key)
{
	if (key == 'q' || key == 'Q')
		ended = 1;
	else if (key == 'r' || key == 'o' || key == 'i' || key == 'n')
		sort_key = key;
}

/* Draws at each look and each key; a look is due once a second, whatever keys come. A terminal
 * that is gone is none any more (the kernel's EIO), and tells who has another one by no signal. */
static void run(void)
{
	struct traffic traffic = { .count = 0 };

	while (!ended && isatty(STDOUT_FILENO)) {
		bool up = traffic_look(&traffic);
		struct timespec begun;
		struct timespec time;
		int left = PERIOD;

		clock_gettime(CLOCK_MONOTONIC, &begun);
		while (!ended && left > 0) {
			draw(&traffic, up);
			timeout(left);
			heed(getch());
			clock_gettime(CLOCK_MONOTONIC, &time);
			left = PERIOD -
			       (int)((time.tv_sec - begun.tv_sec) * 1000 + (time.tv_nsec - begun.tv_nsec) / 1000000);
		}
	}
}

/* What cannot move its cursor shows no table that changes. */
static void begin(void)
{
	const char *term = getenv("TERM");
	int wrong;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		errx(EXIT_FAILURE, "top: this is no terminal; 'netshim status' shows the sums");
	if (!term || setupterm(term, STDOUT_FILENO, &wrong) == ERR || !cursor_address || !clear_screen)
		errx(EXIT_FAILURE, "top: a terminal '%s' cannot be drawn on; 'netshim status' shows the sums",
		     term ? term : "");
	/* curses shows no letter that the locale does not have. */
	setlocale(LC_CTYPE, "");
	initscr();
	cbreak();
	noecho();
	curs_set(0);
}

int cmd_top(const struct command *command)
{
	(void)command;
	begin();
	signal(SIGINT, end);
	signal(SIGTERM, end);
	signal(SIGHUP, end);
	run();
	endwin();
	return EXIT_SUCCESS;
}
