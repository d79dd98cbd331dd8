#include "devices/rtc.h"

enum {
	RTC_SECONDS = 0x00,
	RTC_MINUTES = 0x02,
	RTC_HOURS = 0x04,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
};

#define A_DEFAULT	     0x26 /* 32768 Hz base, 1024 Hz rate */
#define A_UPDATE_IN_PROGRESS 0x80
#define B_24_HOURS	     0x02
#define B_BINARY	     0x04
#define B_SET		     0x80
#define D_VALID		     0x80
#define HOURS_PM	     0x80

static int64_t host_now_s(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static uint8_t encode(const struct rtc *rtc, unsigned int value)
{
	if (rtc->ram[RTC_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static int decode(const struct rtc *rtc, uint8_t value)
{
	if (rtc->ram[RTC_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0x0f);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned int hour)
{
	if (rtc->ram[RTC_B] & B_24_HOURS)
		return encode(rtc, hour);
	return (uint8_t)(encode(rtc, hour % 12 ? hour % 12 : 12) |
			 (hour >= 12 ? HOURS_PM : 0));
}

static int decode_hour(const struct rtc *rtc, uint8_t value)
{
	if (rtc->ram[RTC_B] & B_24_HOURS)
		return decode(rtc, value);
	return decode(rtc, value & (uint8_t)~HOURS_PM) % 12 +
	       (value & HOURS_PM ? 12 : 0);
}

/* While SET is on the registers stand still, for the guest to write. */
static void refresh(struct rtc *rtc)
{
	time_t now = (time_t)(rtc->now_s(rtc->opaque) + rtc->offset_s);
	unsigned int year;
	struct tm tm;

	if ((rtc->ram[RTC_B] & B_SET) || !gmtime_r(&now, &tm))
		return;
	/* Guests can set any time, down to the last month before year 0; that
	 * one comes out as nonsense, but a defined one. */
	year = (unsigned int)(tm.tm_year + 1900);
	rtc->ram[RTC_SECONDS] = encode(rtc, (unsigned int)tm.tm_sec);
	rtc->ram[RTC_MINUTES] = encode(rtc, (unsigned int)tm.tm_min);
	rtc->ram[RTC_HOURS] = encode_hour(rtc, (unsigned int)tm.tm_hour);
	rtc->ram[RTC_WEEKDAY] = encode(rtc, (unsigned int)tm.tm_wday + 1);
	rtc->ram[RTC_DAY] = encode(rtc, (unsigned int)tm.tm_mday);
	rtc->ram[RTC_MONTH] = encode(rtc, (unsigned int)tm.tm_mon + 1);
	rtc->ram[RTC_YEAR] = encode(rtc, year % 100);
	rtc->ram[RTC_CENTURY_REGISTER] = encode(rtc, year / 100);
}

/* Takes the time in the registers as the guest's. */
static void set_clock(struct rtc *rtc)
{
	struct tm tm = {
		.tm_sec = decode(rtc, rtc->ram[RTC_SECONDS]),
		.tm_min = decode(rtc, rtc->ram[RTC_MINUTES]),
		.tm_hour = decode_hour(rtc, rtc->ram[RTC_HOURS]),
		.tm_mday = decode(rtc, rtc->ram[RTC_DAY]),
		.tm_mon = decode(rtc, rtc->ram[RTC_MONTH]) - 1,
		.tm_year = (decode(rtc, rtc->ram[RTC_CENTURY_REGISTER]) - 19) *
				   100 +
			   decode(rtc, rtc->ram[RTC_YEAR]),
	};

	rtc->offset_s = (int64_t)timegm(&tm) - rtc->now_s(rtc->opaque);
}

static bool is_time(uint8_t index)
{
	switch (index) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY_REGISTER:
		return true;
	default:
		return false;
	}
}

static void write_register(struct rtc *rtc, uint8_t value)
{
	switch (rtc->index) {
	case RTC_A:
		rtc->ram[RTC_A] = value & (uint8_t)~A_UPDATE_IN_PROGRESS;
		return;
	case RTC_B: {
		bool was_set = rtc->ram[RTC_B] & B_SET;

		/* The registers are still in the old format: bring them up to
		 * date before it changes, and take them before they run on. */
		refresh(rtc);
		if (was_set && !(value & B_SET))
			set_clock(rtc);
		rtc->ram[RTC_B] = value;
		return;
	}
	case RTC_C:
	case RTC_D:
		return;
	default:
		break;
	}
	if (is_time(rtc->index))
		refresh(rtc);
	rtc->ram[rtc->index] = value;
	if (is_time(rtc->index) && !(rtc->ram[RTC_B] & B_SET))
		set_clock(rtc);
}

static uint64_t rtc_read(void *device, uint64_t offset, unsigned int len)
{
	struct rtc *rtc = device;
	uint8_t value;

	if (len != 1 || offset == 0)
		return UINT64_MAX;
	pthread_mutex_lock(&rtc->lock);
	refresh(rtc);
	value = rtc->ram[rtc->index];
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_write(void *device, uint64_t offset, uint64_t value,
		      unsigned int len)
{
	struct rtc *rtc = device;

	if (len != 1)
		return;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 0)
		rtc->index = value & 0x7f; /* bit 7 masks NMI on a PC */
	else
		write_register(rtc, (uint8_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

const struct bus_ops rtc_bus_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

void rtc_init(struct rtc *rtc)
{
	*rtc = (struct rtc){ .now_s = host_now_s };
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->ram[RTC_A] = A_DEFAULT;
	rtc->ram[RTC_B] = B_24_HOURS;
	rtc->ram[RTC_D] = D_VALID;
}

void rtc_release(struct rtc *rtc)
{
	pthread_mutex_destroy(&rtc->lock);
}
