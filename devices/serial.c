#include "devices/serial.h"

enum {
	REG_DATA = 0, /* RBR, THR; DLL while DLAB is set */
	REG_IER = 1, /* DLM while DLAB is set */
	REG_IIR_FCR = 2,
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCR = 7,
};

#define IER_RECEIVE	  0x01
#define IER_TRANSMIT	  0x02
#define IER_LINE	  0x04
#define IER_MODEM	  0x08
#define IIR_NONE	  0x01
#define IIR_MODEM	  0x00
#define IIR_TRANSMIT	  0x02
#define IIR_RECEIVE	  0x04
#define IIR_LINE	  0x06
#define IIR_FIFOS_ON	  0xc0
#define FCR_ENABLE	  0x01
#define FCR_CLEAR_RECEIVE 0x02
#define LCR_DLAB	  0x80
#define MCR_DTR		  0x01
#define MCR_RTS		  0x02
#define MCR_OUT1	  0x04
#define MCR_OUT2	  0x08
#define MCR_LOOPBACK	  0x10
#define LSR_DATA_READY	  0x01
#define LSR_OVERRUN	  0x02
#define LSR_BREAK	  0x10
#define LSR_THR_EMPTY	  0x20
#define LSR_IDLE	  0x40
#define LSR_ERROR_IN_FIFO 0x80
#define MSR_CTS		  0x10
#define MSR_DSR		  0x20
#define MSR_RI		  0x40
#define MSR_DCD		  0x80

/* Data sheet, "Line Status Register", bit 4: a break shows when its byte is
 * the next to be read. */
static bool break_is_next(const struct serial *serial)
{
	return serial->fifo_len &&
	       (serial->breaks & (1U << serial->fifo_start));
}

static uint8_t pending_interrupt(const struct serial *serial)
{
	if ((serial->ier & IER_LINE) &&
	    (serial->overrun || break_is_next(serial)))
		return IIR_LINE;
	if ((serial->ier & IER_RECEIVE) && serial->fifo_len)
		return IIR_RECEIVE;
	if ((serial->ier & IER_TRANSMIT) && serial->thr_empty_pending)
		return IIR_TRANSMIT;
	if ((serial->ier & IER_MODEM) && serial->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

/* On a PC the UART's interrupt passes a gate that OUT2 opens. */
static void update_irq(struct serial *serial)
{
	bool assert = pending_interrupt(serial) != IIR_NONE &&
		      (serial->mcr & MCR_OUT2) && !(serial->mcr & MCR_LOOPBACK);

	if (assert == serial->irq_asserted)
		return;
	serial->irq_asserted = assert;
	irq_set_level(serial->irq, assert);
}

static void fifo_put(struct serial *serial, uint8_t byte)
{
	if (serial->fifo_len == SERIAL_FIFO_BYTES) {
		serial->overrun = true;
		return;
	}
	serial->fifo[(serial->fifo_start + serial->fifo_len) %
		     SERIAL_FIFO_BYTES] = byte;
	serial->fifo_len++;
}

static uint8_t fifo_get(struct serial *serial)
{
	uint8_t byte;

	if (!serial->fifo_len)
		return 0;
	byte = serial->fifo[serial->fifo_start];
	serial->breaks &= (uint16_t) ~(1U << serial->fifo_start);
	serial->fifo_start = (serial->fifo_start + 1) % SERIAL_FIFO_BYTES;
	serial->fifo_len--;
	return byte;
}

static void fifo_clear(struct serial *serial)
{
	serial->fifo_len = 0;
	serial->breaks = 0;
}

/* The four inputs as the guest sees them. */
static uint8_t modem_lines(const struct serial *serial)
{
	uint8_t lines = 0;

	if (!(serial->mcr & MCR_LOOPBACK))
		return MSR_DCD | MSR_DSR | MSR_CTS;
	/* Data sheet 8.6.7: the four outputs are connected to the inputs. */
	if (serial->mcr & MCR_RTS)
		lines |= MSR_CTS;
	if (serial->mcr & MCR_DTR)
		lines |= MSR_DSR;
	if (serial->mcr & MCR_OUT1)
		lines |= MSR_RI;
	if (serial->mcr & MCR_OUT2)
		lines |= MSR_DCD;
	return lines;
}

static void write_mcr(struct serial *serial, uint8_t value)
{
	uint8_t before = modem_lines(serial);
	uint8_t changed;

	serial->mcr = value & 0x1f;
	changed = before ^ modem_lines(serial);
	/* Each delta bit is four below its line; that of the ring indicator
	 * tells the end of ringing only. */
	if (!(before & MSR_RI))
		changed &= (uint8_t)~MSR_RI;
	serial->msr_delta |= changed >> 4;
}

static uint8_t line_status(struct serial *serial)
{
	uint8_t status = LSR_THR_EMPTY | LSR_IDLE;

	if (serial->fifo_len)
		status |= LSR_DATA_READY;
	if (serial->overrun)
		status |= LSR_OVERRUN;
	if (break_is_next(serial))
		status |= LSR_BREAK;
	if (serial->breaks && (serial->fcr & FCR_ENABLE))
		status |= LSR_ERROR_IN_FIFO;
	serial->overrun = false;
	serial->breaks &= (uint16_t) ~(1U << serial->fifo_start);
	return status;
}

static uint8_t interrupt_identification(struct serial *serial)
{
	uint8_t id = pending_interrupt(serial);

	if (id == IIR_TRANSMIT)
		serial->thr_empty_pending = false;
	if (serial->fcr & FCR_ENABLE)
		id |= IIR_FIFOS_ON;
	return id;
}

static uint8_t read_register(struct serial *serial, uint64_t reg)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return dlab ? (uint8_t)serial->divisor : fifo_get(serial);
	case REG_IER:
		return dlab ? (uint8_t)(serial->divisor >> 8) : serial->ier;
	case REG_IIR_FCR:
		return interrupt_identification(serial);
	case REG_LCR:
		return serial->lcr;
	case REG_MCR:
		return serial->mcr;
	case REG_LSR:
		return line_status(serial);
	case REG_MSR: {
		uint8_t status = modem_lines(serial) | serial->msr_delta;

		serial->msr_delta = 0;
		return status;
	}
	default:
		return serial->scr;
	}
}

/* True when the FIFO just drained to where asking for more pays off. */
static bool drained(unsigned int len_before, unsigned int len_now)
{
	return len_before > SERIAL_FIFO_BYTES / 2 &&
	       len_now <= SERIAL_FIFO_BYTES / 2;
}

static uint64_t serial_read(void *device, uint64_t offset, unsigned int len)
{
	struct serial *serial = device;
	unsigned int before;
	uint8_t value;
	bool resume;

	if (len != 1)
		return UINT64_MAX;
	pthread_mutex_lock(&serial->lock);
	before = serial->fifo_len;
	value = read_register(serial, offset);
	resume = drained(before, serial->fifo_len);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	if (resume)
		chardev_resume_input(serial->chardev);
	return value;
}

static void write_fcr(struct serial *serial, uint8_t value)
{
	if ((value ^ serial->fcr) & FCR_ENABLE || value & FCR_CLEAR_RECEIVE)
		fifo_clear(serial);
	serial->fcr = value & FCR_ENABLE;
}

static void write_ier(struct serial *serial, uint8_t value)
{
	bool newly = !(serial->ier & IER_TRANSMIT) && (value & IER_TRANSMIT);

	serial->ier = value & 0x0f;
	/* The holding register is always empty: enabling says so at once. */
	if (newly)
		serial->thr_empty_pending = true;
}

static void loop_back(struct serial *serial, uint8_t value)
{
	fifo_put(serial, value);
	serial->thr_empty_pending = true;
}

static void write_register(struct serial *serial, uint64_t reg, uint8_t value)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA: /* DLAB is set, or the byte loops back */
		if (dlab)
			serial->divisor = (serial->divisor & 0xff00) | value;
		else
			loop_back(serial, value);
		break;
	case REG_IER:
		if (dlab)
			serial->divisor = (uint16_t)((serial->divisor & 0xff) |
						     value << 8);
		else
			write_ier(serial, value);
		break;
	case REG_IIR_FCR:
		write_fcr(serial, value);
		break;
	case REG_LCR:
		serial->lcr = value;
		break;
	case REG_MCR:
		write_mcr(serial, value);
		break;
	case REG_SCR:
		serial->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

static void transmit(struct serial *serial, uint8_t byte)
{
	/* Unlocked: while this waits for the reader, input still arrives. */
	chardev_write_all(serial->chardev, &byte, 1);
	pthread_mutex_lock(&serial->lock);
	serial->thr_empty_pending = true;
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

static void serial_write(void *device, uint64_t offset, uint64_t value,
			 unsigned int len)
{
	struct serial *serial = device;
	unsigned int before;
	bool sends;
	bool resume;

	if (len != 1)
		return;
	pthread_mutex_lock(&serial->lock);
	before = serial->fifo_len;
	sends = offset == REG_DATA && !(serial->lcr & LCR_DLAB) &&
		!(serial->mcr & MCR_LOOPBACK);
	if (!sends)
		write_register(serial, offset, (uint8_t)value);
	resume = drained(before, serial->fifo_len);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	if (resume)
		chardev_resume_input(serial->chardev);
	if (sends)
		transmit(serial, (uint8_t)value);
}

const struct bus_ops serial_bus_ops = {
	.read = serial_read,
	.write = serial_write,
};

size_t serial_room(void *opaque)
{
	struct serial *serial = opaque;
	size_t room;

	pthread_mutex_lock(&serial->lock);
	room = SERIAL_FIFO_BYTES - serial->fifo_len;
	pthread_mutex_unlock(&serial->lock);
	return room;
}

void serial_receive(void *opaque, const uint8_t *data, size_t len)
{
	struct serial *serial = opaque;

	pthread_mutex_lock(&serial->lock);
	for (size_t i = 0; i < len; i++)
		fifo_put(serial, data[i]);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

void serial_send_break(struct serial *serial)
{
	unsigned int newest;

	pthread_mutex_lock(&serial->lock);
	fifo_put(serial, 0);
	newest =
		(serial->fifo_start + serial->fifo_len - 1) % SERIAL_FIFO_BYTES;
	serial->fifo[newest] = 0;
	serial->breaks |= (uint16_t)(1U << newest);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

void serial_init(struct serial *serial, struct irq_line *irq,
		 struct chardev *chardev)
{
	struct chardev_receiver receiver = {
		.room = serial_room,
		.receive = serial_receive,
		.opaque = serial,
	};

	*serial = (struct serial){
		.irq = irq,
		.chardev = chardev,
		.divisor = 12, /* 9600 baud */
		.lcr = 0x03,
	};
	pthread_mutex_init(&serial->lock, NULL);
	chardev_set_receiver(chardev, &receiver);
}

void serial_release(struct serial *serial)
{
	pthread_mutex_destroy(&serial->lock);
}
