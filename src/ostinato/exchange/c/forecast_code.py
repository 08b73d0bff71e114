"""Private: the C code of a forecaster; the sizes in capitals are macros of the file."""

__all__ = ["CALENDAR", "DRIVER", "HEADER", "NETWORK", "PREDICT", "SELFTEST", "STATE"]

HEADER = """
/* Continue a training series from its end; its number, from 0. */
void NAME_init(NAME_state *state, int series);

/* Forget all values, and start with others$OF_DATE. */
void NAME_clear(NAME_state *state$DATE_PARAMETER);

/* Add the next step, values[NAME_COLUMNS]$OF_KNOWN. Returns 0, or -1 if a value is not finite or
   outside the range of the power transform. */
int NAME_add(NAME_state *state, const double *values$KNOWN_PARAMETER);

/* Forecasts of the next steps, forecasts[steps * NAME_COLUMNS]: all columns of the first step, then
   of the second one, and so on. Returns 0, or -1 if there are too few values or if a forecast is
   not finite.$OF_AHEAD */
int NAME_predict(const NAME_state *state, size_t steps$AHEAD_PARAMETER, void *scratch,
                 NAME_value *forecasts);
"""
CALENDAR = """
#define DAY INT64_C(86400000000)

/* The number of days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The year, month and day of a number of days from 1970-01-01. */
static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static int64_t whole_days(int64_t date)
{
    return (date >= 0 ? date : date - DAY + 1) / DAY;
}

/* The date of the next step. */
static int64_t date_after(int64_t date)
{
#if STEP_MONTHS
    int64_t days = whole_days(date), year, months;
    int month, day, last;
    date_of(days, &year, &month, &day);
    months = year * 12 + month - 1 + STEP_MONTHS;
    year = months / 12;
    month = (int)(months % 12) + 1;
    last = (int)(days_of(year + month / 12, month % 12 + 1, 1) - days_of(year, month, 1));
    day = STEP_DAY < last ? STEP_DAY : last;
    return days_of(year, month, day) * DAY + (date - days * DAY);
#elif STEP_BUSINESS
    int64_t days = whole_days(date), weekday = ((days + 3) % 7 + 7) % 7;
    int64_t of_week = (weekday < 4 ? weekday : 4) + 1;
    return date + DAY * (of_week / 5 * 7 + of_week % 5 - weekday);
#else
    return date + STEP_MICROSECONDS;
#endif
}

#if CYCLES
/* Sine and cosine of the place of a date in each cycle of the calendar. */
static void write_calendar(int64_t date, double *to)
{
    static const int cycles[CYCLES] = {CYCLE_NUMBERS};
    const double turn = 6.283185307179586;
    int64_t days = whole_days(date), year, minutes = (date - days * DAY) / INT64_C(60000000);
    double part = (double)(minutes / 60) / 24.0 + (double)(minutes % 60) / 1440.0, place;
    int month, day, k;
    date_of(days, &year, &month, &day);
    for (k = 0; k < CYCLES; k++) {
        if (cycles[k] == 0)
            place = ((double)(days - days_of(year, 1, 1)) + part) / 365.25;
        else if (cycles[k] == 1)
            place = ((double)(((days + 3) % 7 + 7) % 7) + part) / 7.0;
        else
            place = part;
        to[2 * k] = sin(turn * place);
        to[2 * k + 1] = cos(turn * place);
    }
}
#endif
"""
STATE = """
void NAME_init(NAME_state *state, int series)
{
    const double *from = start_values + start_place[series];
    long k;
    state->series = series;
    state->count = start_count[series];
    for (k = 0; k < state->count * COLUMNS; k++)
        state->values[k] = from[k];
#if FEATURES
    for (k = 0; k < WINDOW * FEATURES; k++)
        state->features[k] = start_features[(long)series * WINDOW * FEATURES + k];
#endif
#if DATES
    state->next = start_date[series];
#endif
}

void NAME_clear(NAME_state *state$DATE_PARAMETER)
{
    state->count = 0;
#if DATES
    state->next = date;
#endif
}

#if FEATURES
/* The calendar features and the scaled known columns of a step. */
static void write_features(int64_t date, const double *known, double *to)
{
#if CYCLES
    write_calendar(date, to);
#else
    (void)date;
#endif
#if KNOWN
    int k;
    for (k = 0; k < KNOWN; k++)
        to[2 * CYCLES + k] = (known[k] - known_mean[k]) / known_scale[k];
#else
    (void)known;
#endif
}
#endif

int NAME_add(NAME_state *state, const double *values$KNOWN_PARAMETER)
{
    double row[COLUMNS];
    int f;
    for (f = 0; f < COLUMNS; f++) {
        double value = values[f];
        if (!isfinite(value))
            return -1;
        $LEARNED
        row[f] = value;
    }
#if FEATURES
    memmove(state->features, state->features + FEATURES,
            (WINDOW - 1) * FEATURES * sizeof(double));
    write_features($NOW, $KNOWN, state->features + (WINDOW - 1) * FEATURES);
#endif
#if DATES
    state->next = date_after(state->next);
#endif
    if (state->count == KEPT) {
        memmove(state->values, state->values + COLUMNS, (KEPT - 1) * COLUMNS * sizeof(double));
        state->count--;
    }
    memcpy(state->values + state->count * COLUMNS, row, sizeof row);
    state->count++;
    return 0;
}
"""
NETWORK = """
/* The inputs of the network after a step; the features are those of the next step. */
static void write_inputs(const double *path, long step, const double *features, int series,
                         float *x)
{
    const double *now = path + step * COLUMNS, *before = now - COLUMNS;
    const double *change = usual_change + series * COLUMNS;
    int f, lag;
    for (f = 0; f < COLUMNS; f++)
        *x++ = (float)((now[f] - before[f]) / change[f]);
#if LEVELS
    for (f = 0; f < COLUMNS; f++)
        *x++ = (float)((now[f] - level_mean[series * COLUMNS + f]) /
                       level_scale[series * COLUMNS + f]);
#endif
#if SEASON > 1
    for (f = 0; f < COLUMNS; f++)
        *x++ = (float)((path[(step + 1 - SEASON) * COLUMNS + f] - now[f]) /
                       season_scale[series * COLUMNS + f]);
#endif
    for (f = 0; f < FEATURES; f++)
        *x++ = (float)features[f];
    for (lag = 1; lag < LAGS; lag++)
        for (f = 0; f < COLUMNS; f++)
            *x++ = (float)((now[f - lag * COLUMNS] - before[f - lag * COLUMNS]) / change[f]);
}

/* Read one step by the network; the next change of each column. */
static void network_step(${P}_state *layer, const float *x, double *next)
{
    float y[$OUTPUTS], median[COLUMNS];
    int f, k;
    ${P}_step(layer, x, y);
    $READOUT
    for (f = 0; f < COLUMNS; f++) {
        const float *row = regression + f * (WIDTH + 1);
        float linear_sum = row[WIDTH];
        for (k = 0; k < WIDTH; k++)
            linear_sum += row[k] * x[k];
        next[f] = (double)median[f] + (double)linear_sum;
    }
}

/* Add the forecasts of the network to the values. */
static void network_path(double *path, long count, long steps, const double *features, int series,
                         ${P}_state *layer)
{
    float x[WIDTH];
    double next[COLUMNS];
    long step;
    int f;
    (void)${P}_run;
    ${P}_reset(layer);
    for (step = count - WINDOW; step < count + steps - 1; step++) {
        /* features begin with the second step of the window */
        write_inputs(path, step, features + (step - count + WINDOW) * FEATURES, series, x);
        network_step(layer, x, next);
        if (step < count - 1)
            continue;
        for (f = 0; f < COLUMNS; f++)
            path[(step + 1) * COLUMNS + f] = path[step * COLUMNS + f] +
                                             usual_change[series * COLUMNS + f] * next[f];
    }
}
"""
PREDICT = """
static double value_of(double y)
{
    return $VALUE;
}

int NAME_predict(const NAME_state *state, size_t steps$AHEAD_PARAMETER, void *scratch,
                 NAME_value *forecasts)
{
    unsigned char *at = scratch;
    long count = state->count, k;
    int f, method;
$SCRATCH
    (void)at;
    if (count < least_count[state->series])
        return -1;
    memcpy(path, state->values, (size_t)count * COLUMNS * sizeof(double));
#if FEATURES
    memcpy(features, state->features + FEATURES, (WINDOW - 1) * FEATURES * sizeof(double));
#endif
#if DATES
    int64_t date = state->next;
#endif
    for (k = 0; k < (long)steps; k++) {
#if FEATURES
        write_features($DATE, $AHEAD, features + (WINDOW - 1 + k) * FEATURES);
#endif
#if DATES
        for (f = 0; f < COLUMNS; f++)
            forecasts[k * COLUMNS + f].date = date;
        date = date_after(date);
#endif
    }
    network_path(path, count, (long)steps, features, state->series, layer);
    for (f = 0; f < COLUMNS; f++) {
        long place = (long)state->series * COLUMNS + f;
        const double *errors = interval_errors + place * 2;
        long compared = (long)steps < COMPARED ? (long)steps : COMPARED;
        smoother s;
        for (k = 0; k < count; k++)
            y[k] = path[k * COLUMNS + f];
        smoother_start(&s, smoothing + place * SMOOTHING, y, count, shape);
        recent_sizes(place, path + f, y, count, &s, compared, z, ahead, sum, share, known_share,
                     recent);
        for (k = 0; k < (long)steps; k++)
            sum[k] = share[k] = 0.0;
        for (method = 0; method < METHODS; method++) {
            const double *weights = method_weights + (place * METHODS + method) * COMPARED;
            if (method == METHODS - 1)
                for (k = 0; k < (long)steps; k++)
                    ahead[k] = path[(count + k) * COLUMNS + f];
            else
                method_ahead(method, place, y, count, &s, (long)steps, z, ahead);
            for (k = 0; k < (long)steps; k++) {
                double weight = weights[k < COMPARED ? k : COMPARED - 1];
                add_weighted(ahead[k], weight, &sum[k], &share[k]);
            }
        }
        for (k = 0; k < (long)steps; k++) {
            NAME_value *to = &forecasts[k * COLUMNS + f];
            double further = (double)(k + 1) / COMPARED, mean = sum[k] / share[k], half;
            half = error_scale[place * COMPARED + (k < COMPARED ? k : COMPARED - 1)];
            half *= recent[k < COMPARED ? k : COMPARED - 1] *
                    (further > 1.0 ? pow(further, error_growth[place]) : 1.0);
            to->value = value_of(mean);
            to->low = value_of(mean - half * errors[0]);
            to->high = value_of(mean + half * errors[0]);
            to->low_95 = value_of(mean - half * errors[1]);
            to->high_95 = value_of(mean + half * errors[1]);
            if (!isfinite(to->value) || !isfinite(to->low_95) || !isfinite(to->high_95))
                return -1;
        }
    }
    return 0;
}
"""
SELFTEST = """
static NAME_state state;
static NAME_value forecasts[$STEPS * NAME_COLUMNS];
static double scratch[NAME_SCRATCH($STEPS) / sizeof(double) + 1];
$KNOWN
float found[$STEPS * NAME_COLUMNS];
int k, wrong;
NAME_init(&state, 0);
wrong = NAME_predict(&state, $STEPS$ARGUMENT, scratch, forecasts) < 0;
for (k = 0; k < $STEPS * NAME_COLUMNS; k++)
    found[k] = (float)forecasts[k].value;
wrong += NAME_compare("forecasts", found, NAME_test_wanted, $STEPS * NAME_COLUMNS, $TOLERANCE);
return wrong;
"""
DRIVER = """
int main(void)
{
    static NAME_state state;
    uint32_t runs = get_count(), k;
    while (runs-- > 0) {
        uint32_t series = get_count(), added = get_count(), steps = get_count();
        NAME_value *forecasts = malloc(steps * NAME_COLUMNS * sizeof *forecasts);
        void *scratch = malloc(NAME_SCRATCH(steps));
        NAME_init(&state, (int)series);
        while (added-- > 0) {
            double *values = get(NAME_COLUMNS * sizeof(double));
            double *known = get(NAME_KNOWN * sizeof(double));
            if (NAME_add(&state, values$ADDED))
                return 5;
            free(values);
            free(known);
        }
        double *ahead = get(steps * NAME_KNOWN * sizeof(double));
        if (!forecasts || !scratch ||
            NAME_predict(&state, steps$ARGUMENT, scratch, forecasts))
            return 6;
        for (k = 0; k < steps * NAME_COLUMNS; k++) {
            put(forecasts[k].value);
            put(forecasts[k].low);
            put(forecasts[k].high);
            put(forecasts[k].low_95);
            put(forecasts[k].high_95);
        }
        free(forecasts);
        free(scratch);
        free(ahead);
    }
    return 0;
}
"""
