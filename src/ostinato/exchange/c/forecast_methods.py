"""Private: the C code of the methods of a forecaster but the network; sizes are macros."""

__all__ = ["METHOD_CODE"]

METHOD_CODE = """
/* Exponential smoothing: the parameters level, trend, damping, seasonal, and whether there is a
   season. */
typedef struct {
    const double *parameters;
    double level, slope, *shape;
    int season;
    long count;
} smoother;

static void smoother_start(smoother *s, const double *parameters, const double *y, long count,
                           double *shape)
{
    long parts, k, j;
    double mean, centre = 0.0;
    s->parameters = parameters;
    s->season = parameters[4] != 0.0 ? SEASON : 1;
    s->shape = shape;
    s->count = 0;
    s->level = y[0];
    s->slope = 0.0;
    for (k = 0; k < s->season; k++)
        shape[k] = 0.0;
    count = count < 3 * SEASON ? count : 3 * SEASON;
    parts = count / s->season < 3 ? count / s->season : 3;
    if (s->season == 1 || !parts)
        return;
    for (j = 0; j < parts; j++) {
        mean = 0.0;
        for (k = 0; k < s->season; k++)
            mean += y[j * s->season + k];
        mean /= s->season;
        if (j == 0)
            s->level = mean;
        if (j == parts - 1 && parts > 1)
            s->slope = (mean - s->level) / (double)((parts - 1) * s->season);
    }
    for (j = 0; j < parts; j++) {
        mean = 0.0;
        for (k = 0; k < s->season; k++)
            mean += y[j * s->season + k];
        mean /= s->season;
        for (k = 0; k < s->season; k++)
            shape[k] += y[j * s->season + k] - mean -
                        s->slope * ((double)k - (s->season - 1) / 2.0);
    }
    for (k = 0; k < s->season; k++) {
        shape[k] /= (double)parts;
        centre += shape[k];
    }
    for (k = 0; k < s->season; k++)
        shape[k] -= centre / s->season;
    s->level -= s->slope * (s->season + 1) / 2.0;
    if (!(parameters[1] > 0.0))
        s->slope = 0.0;
}

static void smoother_add(smoother *s, double value)
{
    const double *p = s->parameters;
    double *shape = s->shape + s->count % s->season, error;
    s->level += p[2] * s->slope;
    error = value - s->level - *shape;
    s->level += p[0] * error;
    s->slope = p[2] * s->slope + p[0] * p[1] * error;
    *shape += p[3] * error;
    s->count++;
}

static void smoother_ahead(const smoother *s, long steps, double *ahead)
{
    double damping = 1.0, damped = 0.0;
    long k;
    for (k = 0; k < steps; k++) {
        damping *= s->parameters[2];
        damped += damping;
        ahead[k] = s->level + damped * s->slope + s->shape[(s->count + k) % s->season];
    }
}

/* A value of the series; not a number before its start. */
static double value_at(const double *y, long place)
{
    return place < 0 ? NAN : y[place];
}

/* A value, or its difference from the one a season before. */
static double seasonal_at(const double *y, long place, long season)
{
    double value = value_at(y, place);
    return season ? value - value_at(y, place - season) : value;
}

/* Forecasts of an autoregression; y has room for them after its count values. */
static void autoregress(double *y, long count, const double *weights, int change, long season,
                        long steps, double *z, double *ahead)
{
    long reach = ORDER, k, j;
    double last = 0.0;
    while (reach > 0 && weights[reach - 1] == 0.0)
        reach--;
    for (k = 0; k < reach; k++) {
        long place = count - reach + k;
        z[k] = seasonal_at(y, place, season);
        if (change)
            z[k] -= seasonal_at(y, place - 1, season);
    }
    if (change)
        last = seasonal_at(y, count - 1, season);
    for (k = 0; k < steps; k++) {
        double next = weights[ORDER];
        for (j = 0; j < reach; j++)
            if (weights[j] != 0.0)
                next += weights[j] * z[reach + k - 1 - j];
        z[reach + k] = next;
        last = change ? last + next : next;
        ahead[k] = last;
        if (season) {
            ahead[k] += value_at(y, count + k - season);
            y[count + k] = ahead[k];
        }
    }
}

/* Forecasts of a method; the methods are numbered as in the tables. */
static void method_ahead(int method, long place, double *y, long count, const smoother *s,
                         long steps, double *z, double *ahead)
{
    long k;
    if (method == 0) {
        for (k = 0; k < steps; k++)
            ahead[k] = y[count - 1];
    } else if (method == 1) {
        for (k = 0; k < steps; k++)
            ahead[k] = value_at(y, count - SEASON + k % SEASON);
    } else if (method == 2) {
        smoother_ahead(s, steps, ahead);
    } else {
        int number = method - 3;
        autoregress(y, count,
                    autoregressions + (place * (METHODS - 4) + number) * (ORDER + 1),
                    autoregression_change[number], autoregression_seasonal[number] ? SEASON : 0,
                    steps, z, ahead);
    }
}

static void add_weighted(double value, double weight, double *sum, double *share)
{
    if (isfinite(value)) {
        *sum += weight * value;
        *share += weight;
    }
}

/* The sizes of the newest errors at each of some steps ahead, as multiples of their usual sizes: at
   least that of one step ahead. The series is path[0], path[COLUMNS], ...; y has its values, and
   room for steps; s is taken from the start of the series to its end. */
static void recent_sizes(long place, const double *path, double *y, long count, smoother *s,
                         long steps, double *z, double *ahead, double *sum, double *share,
                         double *weight, double *sizes)
{
    const double *weights = method_weights + place * METHODS * COMPARED;
    long start = count - RECENT - steps > 1 ? count - RECENT - steps : 1, k, j;
    int method;
    for (j = 0; j < steps; j++)
        sizes[j] = weight[j] = 0.0;
    for (k = 0; k < count; k++) {
        if (k >= start) {
            long known = count - k < steps ? count - k : steps;
            for (j = 0; j < known; j++)
                sum[j] = share[j] = 0.0;
            for (method = 0; method < METHODS - 1; method++) {
                method_ahead(method, place, y, k, s, known, z, ahead);
                for (j = 0; j < known; j++) {
                    y[k + j] = path[(k + j) * COLUMNS];
                    add_weighted(ahead[j], weights[method * COMPARED + j], &sum[j], &share[j]);
                }
            }
            for (j = 0; j < known; j++) {
                long age = count - 1 - k - j;
                double error = share[j] > 0.0 ? fabs(sum[j] / share[j] - y[k + j]) : NAN, part;
                if (age < RECENT && isfinite(error)) {
                    part = pow(0.5, (double)age / $HALF_LIFE);
                    sizes[j] += part * error;
                    weight[j] += part;
                }
            }
        }
        smoother_add(s, y[k]);
    }
    for (j = 0; j < steps; j++) {
        /* errors so far ahead overlap */
        double ahead_of = (double)(j + 1), overlap;
        overlap = (2.0 * ahead_of * ahead_of + 1.0) / (3.0 * ahead_of);
        sizes[j] = sizes[j] / usual_error[place * COMPARED + j] / overlap + $USUAL;
        sizes[j] /= weight[j] / overlap + $USUAL;
        if (sizes[j] < sizes[0])
            sizes[j] = sizes[0];
    }
}
"""
