/* An application for a node: it says at boot what it is, and lives.
 *
 *   -DVERSION='"1.2.0"'  what it says:  fw 1.2.0
 *   -DBAUD=115200        how fast
 *   -DHANG               it hangs before it says anything
 *   -DPAD=n              n more bytes in the image
 *
 * A heartbeat line each second (`up 1`, `up 2`…) and the version again for every `v` it hears.
 */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#ifdef PAD
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
__asm__(".pushsection .progmem.data,\"a\",@progbits\n"
        ".set i, 0\n"
        ".rept " TEXT(PAD) "\n"
        ".byte (i * 73 + (i >> 8)) & 0xff\n" /* no two pages alike */
        ".set i, i + 1\n"
        ".endr\n"
        ".popsection\n");
#endif

static volatile uint8_t due, asked;

ISR(TIMER1_COMPA_vect) { due = 1; }
ISR(USART_RX_vect) { asked |= UDR0 == 'v'; }

static void say(const char *text)
{
    while (*text) {
        while (!(UCSR0A & _BV(UDRE0)))
            ;
        UDR0 = *text++;
    }
}

static void say_number(uint16_t number)
{
    char digits[6];
    uint8_t at = sizeof digits - 1;
    digits[at] = 0;
    do
        digits[--at] = '0' + number % 10;
    while (number /= 10);
    say(digits + at);
}

int main(void)
{
    MCUSR = 0;
    wdt_disable();
#ifdef HANG
    cli();
    for (;;)
        sleep_mode();
#endif
    UCSR0A = _BV(U2X0);
    UBRR0 = (F_CPU + 4L * BAUD) / (8L * BAUD) - 1;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(TXEN0) | _BV(RXEN0) | _BV(RXCIE0);
    OCR1A = F_CPU / 256 - 1;
    TCCR1B = _BV(WGM12) | _BV(CS12);
    TIMSK1 = _BV(OCIE1A);
    sei();
    asked = 1;
    for (uint16_t seconds = 0;;) {
        if (asked) {
            asked = 0;
            say("fw " VERSION "\r\n");
        }
        if (due) {
            due = 0;
            say("up ");
            say_number(++seconds);
            say("\r\n");
        }
        sleep_mode();
    }
}
