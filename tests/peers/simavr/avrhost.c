/* A board with an AVR on it, behind a PTY: what a bootloader's client can be tested against.
 *
 * The processor is simavr's, the bootloader is the real one.  This host adds what a board
 * has around them: a serial line paced to real time, a reset at each opening of the port (as
 * DTR and a capacitor do on an Arduino), a flash that survives a loss of power, and the loss.
 *
 *   avrhost MCU FLASH-FILE BOOT-ADDRESS LINK
 *
 * FLASH-FILE is mapped, so that what was written is there after SIGKILL.  LINK is made a
 * symbolic link to the PTY.  Standard input takes commands, one a line:
 *   reset          the reset button
 *   cut N          lose power after the Nth page write from now
 *   tear N         lose power inside it: half of that page is written
 *   mute 0|1       the line's wires are cut (1) and mended (0)
 * and its end ends the host.  Standard output tells what happens: `ready`, `open`, `close`,
 * `reset WHY`, `page N ADDRESS`, `halted`.
 *
 * Page writes take no time here (on the part: about 4 ms each).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_flash.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_io.h>

#define MHZ 16
#define SLICE_US 250         /* how often the world outside is looked at */
#define SLICE (MHZ * SLICE_US)
#define STEP (MHZ * 10)      /* cycles run at once: well below a byte's time */
#define DEBT_LIMIT_NS 20000000LL /* a busy machine slows the part down, it never hurries it */
#define BAUD_TOLERANCE 0.045 /* of a receiver that samples each bit in its middle */

static avr_t *avr;
static avr_uart_t *uart;
static avr_irq_t *uart_input;
static int master, slave, watch, openings;
static int muted;
static long pages, cut_at = -1, tear_at = -1;
static uint8_t queue[65536];
static size_t queue_head, queue_tail;
static int (*flash_ioctl)(struct avr_io_t *, uint32_t, void *);

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void quiet(struct avr_t *part, const int level, const char *format, va_list arguments)
{
    (void)part;
    if (level <= LOG_ERROR)
        vfprintf(stderr, format, arguments);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- flash: in a file, counted, and losing power on request ---- */

static void map_flash(avr_t *part, void *path)
{
    size_t size = part->flashend + 1, page = (size_t)sysconf(_SC_PAGESIZE);
    struct stat status;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) < 0)
        die(path);
    if ((size_t)status.st_size != size || size % page) {
        fprintf(stderr, "%s: %lld bytes, the part has %zu\n", (char *)path, (long long)status.st_size, size);
        exit(2);
    }
    /* simavr looks one instruction beyond the end: a page of our own lies there. */
    uint8_t *memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    memcpy(memory + size, part->flash + size, 2);
    if (mmap(memory, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
        die("mmap of the flash");
    free(part->flash);
    part->flash = memory;
}

static int on_flash_ioctl(struct avr_io_t *io, uint32_t request, void *parameter)
{
    avr_flash_t *flash = (avr_flash_t *)io;
    int writes = request == AVR_IOCTL_FLASH_SPM && avr_regbit_get(io->avr, flash->pgwrt) &&
                 avr_regbit_get(io->avr, flash->selfprgen);
    avr_flashaddr_t z = io->avr->data[R_ZL] | (io->avr->data[R_ZH] << 8);
    if (io->avr->rampz)
        z |= (avr_flashaddr_t)io->avr->data[io->avr->rampz] << 16;
    z &= ~(avr_flashaddr_t)(flash->spm_pagesize - 1);

    uint8_t before[1024];
    memcpy(before, io->avr->flash + z, flash->spm_pagesize);
    int result = flash_ioctl(io, request, parameter);
    if (writes) {
        printf("page %ld %#x\n", ++pages, (unsigned)z);
        if (tear_at == pages)
            memcpy(io->avr->flash + z + flash->spm_pagesize / 2, before + flash->spm_pagesize / 2,
                   flash->spm_pagesize / 2);
        if (tear_at == pages || cut_at == pages)
            kill(getpid(), SIGKILL);
    }
    return result;
}

/* ---- the serial line ---- */

/* A byte is ten bits on the line; simavr counts eleven, and would be a tenth too slow. */
static void set_byte_time(void)
{
    unsigned divisor = avr->data[uart->ubrrl.reg] | (avr->data[uart->ubrrh.reg] & 0x0f) << 8;
    uart->cycles_per_byte = 10 * (avr_regbit_get(avr, uart->u2x) ? 8 : 16) * (divisor + 1);
}

static int same_speed(void)
{
    static const struct { speed_t code; double baud; } speeds[] = {
        {B9600, 9600}, {B19200, 19200}, {B38400, 38400}, {B57600, 57600},
        {B115200, 115200}, {B230400, 230400}, {B500000, 500000}, {B1000000, 1000000},
    };
    struct termios line;
    if (tcgetattr(master, &line) < 0)
        return 1;
    double part = 10.0 * avr->frequency / uart->cycles_per_byte;
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i].code == cfgetospeed(&line))
            return speeds[i].baud < part * (1 + BAUD_TOLERANCE) && part < speeds[i].baud * (1 + BAUD_TOLERANCE);
    return 0;
}

/* At the wrong speed something arrives, but not what was sent. */
static uint8_t as_received(uint8_t byte)
{
    return same_speed() ? byte : (uint8_t)(0xe0 ^ (byte << 2));
}

static void on_uart_output(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)parameter;
    uint8_t byte = as_received((uint8_t)value);
    int unseen = 0;
    ioctl(watch, FIONREAD, &unseen);
    if (unseen)
        return; /* the port was just closed, or opened, which ends this byte in a reset */
    if (openings > 0 && !muted && write(master, &byte, 1) < 0 && errno != EAGAIN)
        die("pty"); /* a full line loses bytes, and a closed one all of them */
}

static void deliver_input(avr_cycle_count_t *due)
{
    if (queue_head == queue_tail || avr->cycle < *due)
        return;
    avr_raise_irq(uart_input, as_received(queue[queue_head++ % sizeof queue]));
    *due = (*due + uart->cycles_per_byte > avr->cycle ? *due : avr->cycle) + uart->cycles_per_byte;
}

static void read_line(void)
{
    uint8_t bytes[512];
    if (queue_tail - queue_head > sizeof queue - sizeof bytes)
        return; /* the client's write blocks, as with any slow line */
    ssize_t count = read(master, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count && !muted; i++)
        queue[queue_tail++ % sizeof queue] = bytes[i];
}

static void open_pty(const char *name)
{
    master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
        die("pty");
    const char *path = ptsname(master);
    struct termios raw;
    slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &raw) < 0)
        die(path);
    cfmakeraw(&raw); /* nothing is echoed before the client has set its line */
    tcsetattr(slave, TCSANOW, &raw);
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, path, IN_OPEN | IN_CLOSE) < 0)
        die("inotify");
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", name);
    unlink(temporary);
    if (symlink(path, temporary) < 0 || rename(temporary, name) < 0)
        die(name);
}

/* ---- the board ---- */

static void reset(const char *why)
{
    queue_head = queue_tail;
    avr_reset(avr);
    avr_regbit_set(avr, avr->reset_flags.extrf); /* Optiboot listens after this kind only */
    printf("reset %s\n", why);
}

static void look_at_openings(void)
{
    char events[4096] __attribute__((aligned(8)));
    ssize_t size = read(watch, events, sizeof events);
    for (ssize_t at = 0; at < size;) {
        struct inotify_event *event = (struct inotify_event *)(events + at);
        if (event->mask & IN_OPEN && openings++ == 0) {
            tcflush(slave, TCIFLUSH); /* what nobody read before is not there to be read now */
            printf("open\n");
            reset("opened");
        }
        if (event->mask & IN_CLOSE && openings > 0 && --openings == 0)
            printf("close\n");
        at += sizeof *event + event->len;
    }
}

static void obey(void)
{
    static char text[256];
    static size_t length;
    ssize_t size = read(STDIN_FILENO, text + length, sizeof text - length - 1);
    if (size == 0)
        exit(0);
    if (size < 0)
        return;
    text[length += (size_t)size] = 0;
    for (char *end; (end = strchr(text, '\n')); length = strlen(end + 1), memmove(text, end + 1, length + 1)) {
        long number;
        *end = 0;
        if (!strcmp(text, "reset"))
            reset("button");
        else if (sscanf(text, "cut %ld", &number) == 1)
            cut_at = pages + number;
        else if (sscanf(text, "tear %ld", &number) == 1)
            tear_at = pages + number;
        else if (sscanf(text, "mute %ld", &number) == 1)
            muted = number != 0;
        else
            printf("unknown %s\n", text);
    }
    if (length == sizeof text - 1)
        length = 0;
}

/* Attend to the world outside until it is as late there as it is on the part. */
static void look_outside(int64_t until)
{
    int64_t wait;
    do {
        wait = until - now_ns();
        struct timespec timeout = {0, wait > 0 ? wait : 0};
        struct pollfd sources[] = {{watch, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {master, POLLIN, 0}};
        if (ppoll(sources, 3, &timeout, NULL) <= 0)
            return;
        if (sources[0].revents)
            look_at_openings();
        if (sources[1].revents)
            obey();
        if (sources[2].revents & POLLIN)
            read_line();
    } while (wait > 0);
}

static void find_modules(void)
{
    for (avr_io_t *io = avr->io_port; io; io = io->next) {
        if (!strcmp(io->kind, "uart") && ((avr_uart_t *)io)->name == '0')
            uart = (avr_uart_t *)io;
        if (!strcmp(io->kind, "flash")) {
            flash_ioctl = io->ioctl;
            io->ioctl = on_flash_ioctl;
        }
    }
    if (!uart || !flash_ioctl) {
        fprintf(stderr, "%s has no UART 0, or cannot write its flash\n", avr->mmcu);
        exit(2);
    }
    uart->flags = 0; /* neither prints on our output nor sleeps by itself */
    uart_input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_uart_output, NULL);
}

static void sleeps_in_our_loop(avr_t *part, avr_cycle_count_t cycles)
{
    (void)part, (void)cycles;
}

static avr_cycle_count_t slice_ends(avr_t *part, avr_cycle_count_t when, void *parameter)
{
    (void)part, (void)when, (void)parameter;
    return 0;
}

/* Run for one slice; a processor that sleeps wakes for its end, since bytes may have come. */
static int run_slice(void)
{
    static avr_cycle_count_t due;
    int state = cpu_Running;
    avr->run_cycle_limit = STEP;
    avr_cycle_timer_register(avr, SLICE, slice_ends, NULL);
    for (avr_cycle_count_t end = avr->cycle + SLICE; avr->cycle < end;) {
        set_byte_time();
        deliver_input(&due);
        state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed)
            return 0;
    }
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fprintf(stderr, "usage: avrhost MCU FLASH-FILE BOOT-ADDRESS LINK\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    avr_global_logger_set(quiet);
    avr = avr_make_mcu_by_name(arguments[1]);
    if (!avr) {
        fprintf(stderr, "simavr knows no %s\n", arguments[1]);
        return 2;
    }
    avr->custom.init = map_flash;
    avr->custom.data = arguments[2];
    avr_init(avr);
    avr->frequency = MHZ * 1000000;
    avr->reset_pc = (avr_flashaddr_t)strtoul(arguments[3], NULL, 0);
    avr->sleep = sleeps_in_our_loop;
    find_modules();
    open_pty(arguments[4]);
    avr_reset(avr);
    avr_regbit_set(avr, avr->reset_flags.porf);
    printf("ready\n");

    int64_t clock = now_ns();
    for (;;) {
        /* A part that sleeps for ever or ran into nowhere waits for its next reset. */
        if (avr->state != cpu_Done && avr->state != cpu_Crashed && !run_slice())
            printf("halted\n");
        clock += SLICE_US * 1000LL;
        if (now_ns() - clock > DEBT_LIMIT_NS)
            clock = now_ns();
        look_outside(clock);
    }
}
