"""Private: the C code of a classifier, with places for its sizes."""

__all__ = [
    "DRIVER",
    "HEADER",
    "KERNELS",
    "POOL",
    "POOL_FIRST",
    "POOL_TYPE",
    "PREDICT",
    "PREPARE",
    "RUN_HEAD",
    "SELFTEST",
    "SOFTMAX",
    "STANDARDISE",
    "STEP",
    "STEP_HEADER",
]

POOL_TYPE = """
/* The largest number, the sum and the last number of each output. */
typedef struct {
    float most[$OUTPUTS], last[$OUTPUTS];
    double sum[$OUTPUTS];
    long count;
} NAME_pool;
"""
POOL = """
static void pool_reset(NAME_pool *pool)
{
    int k;
    for (k = 0; k < $OUTPUTS; k++) {
        pool->most[k] = pool->last[k] = 0.0f;
        pool->sum[k] = 0.0;
    }
    pool->count = 0;
}

static void pool_add(NAME_pool *pool, const float *y)
{
    int k;
    for (k = 0; k < $OUTPUTS; k++) {
        pool->most[k] = pool->count == 0 || y[k] > pool->most[k] ? y[k] : pool->most[k];
        pool->last[k] = y[k];
        pool->sum[k] += y[k];
    }
    pool->count++;
}

static void pool_features(const NAME_pool *pool, float *features)
{
    int k;
    for (k = 0; k < $OUTPUTS; k++) {
        features[k] = pool->most[k];
        features[$OUTPUTS + k] = (float)(pool->sum[k] / (pool->count ? (double)pool->count : 1.0));
        features[2 * $OUTPUTS + k] = pool->last[k];
    }
}
"""
POOL_FIRST = """
/* The last output of the reverse direction is that of the first step. */
static void pool_first(NAME_pool *pool, const float *outputs, size_t steps)
{
    int k;
    for (k = $HALF; k < $OUTPUTS && steps; k++)
        pool->last[k] = outputs[k];
}
"""
SOFTMAX = """
/* Add the softmax of some scores to probabilities. */
static void add_softmax(const float *scores, int count, double *total)
{
    double most = scores[0], sum = 0.0;
    int k;
    for (k = 1; k < count; k++)
        most = scores[k] > most ? scores[k] : most;
    for (k = 0; k < count; k++)
        sum += exp(scores[k] - most);
    for (k = 0; k < count; k++)
        total[k] += exp(scores[k] - most) / sum;
}

/* The number of the largest probability, and all as float; -1 if one is not finite. */
static int most_probable(const double *total, int count, float *probabilities)
{
    int k, best = 0;
    for (k = 0; k < count; k++) {
        if (!isfinite(total[k]))
            return -1;
        if (total[k] > total[best])
            best = k;
        if (probabilities)
            probabilities[k] = (float)total[k];
    }
    return best;
}
"""
RUN_HEAD = (
    "void network_run(NAME_state *state, const float *x, size_t steps, float *outputs,\n"
    "                        float *memory)"
)
PREPARE = """
/* Scale a step as in training. */
static void prepare(const float *x, float *y, int units)
{
    int k;
    for (k = 0; k < units; k++)
        y[k] = (x[k] / $DIVISOR - input_mean[k]) / input_scale[k];
}
"""
STANDARDISE = """
/* Give each column a mean of 0 and a deviation of 1. */
static void standardise(float *rows, size_t steps, int units)
{
    size_t t;
    int k;
    for (k = 0; k < units && steps; k++) {
        double sum = 0.0, squares = 0.0, mean, scale;
        for (t = 0; t < steps; t++)
            sum += rows[t * (size_t)units + (size_t)k];
        mean = sum / (double)steps;
        for (t = 0; t < steps; t++) {
            double rest = rows[t * (size_t)units + (size_t)k] - mean;
            squares += rest * rest;
        }
        scale = sqrt(squares / (double)steps + $LEAST);
        for (t = 0; t < steps; t++) {
            float *number = rows + t * (size_t)units + (size_t)k;
            *number = (float)((*number - mean) / scale);
        }
    }
}
"""
PREDICT = """
int NAME_predict(const float *x, size_t steps, void *scratch, float *probabilities)
{
    unsigned char *at = scratch;
    double total[$LABELS];
    size_t t;
$SCRATCH
    (void)at;
    for (t = 0; t < steps; t++)
        prepare(x + t * $UNITS, rows + t * $UNITS, $UNITS);
$BODY
    return most_probable(total, $LABELS, probabilities);
}
"""
HEADER = """
/* The labels in UTF-8. */
extern const char *const NAME_labels[NAME_LABELS];

/* The number of the most probable label of a sequence x[steps][NAME_UNITS], and the probability of
   each label in probabilities[NAME_LABELS], which may be NULL; -1 if a number is not finite. */
int NAME_predict(const float *x, size_t steps, void *scratch, float *probabilities);
"""
STEP_HEADER = """
/* The same, one step at a time: NAME_init once, NAME_reset before each sequence, NAME_step for each
   step, and NAME_result for the steps so far, as often as wanted. */
void NAME_init(NAME_state *state);
void NAME_reset(NAME_state *state);
void NAME_step(NAME_state *state, const float *x);
int NAME_result(const NAME_state *state, float *probabilities);
"""
STEP = """
void NAME_init(NAME_state *state)
{
    network_reset(state);
}

void NAME_reset(NAME_state *state)
{
    network_reset(state);
}

void NAME_step(NAME_state *state, const float *x)
{
    float scaled[$UNITS];
    prepare(x, scaled, $UNITS);
    network_step(state, scaled);
}

int NAME_result(const NAME_state *state, float *probabilities)
{
    double total[$LABELS];
    network_result(state, total);
    return most_probable(total, $LABELS, probabilities);
}
"""
KERNELS = """
/* The input of a kernel: the sum of its channels, of the steps or of their differences. */
static void kernel_input(const float *rows, long count, int view, long row, float *mixed)
{
    const unsigned char *channels = kernel_channels + row * $UNITS;
    long t;
    int k;
    for (t = 0; t < count; t++) {
        const float *x = rows + t * $UNITS;
        mixed[t] = 0.0f;
        for (k = 0; k < $UNITS; k++)
            if (channels[k])
                mixed[t] += view ? x[$UNITS + k] - x[k] : x[k];
    }
}

/* The number of steps at which a kernel exceeds each of its thresholds; a ramp in place of a step.
   Its weights are 2 at three of its places, and -1 at the others. */
static void kernel_shares(const float *mixed, long count, int32_t dilation, int first, int second,
                          int third, long row, double *sums)
{
    const float *starts = kernel_starts + row * $THRESHOLDS;
    long t;
    int k, q;
    for (q = 0; q < $THRESHOLDS; q++)
        sums[q] = 0.0;
    for (t = 0; t < count; t++) {
        float output = 0.0f;
        for (k = 0; k < $WIDTH; k++) {
            long place = t + (k - $MIDDLE) * (long)dilation;
            int high = k == first || k == second || k == third;
            if (place >= 0 && place < count)
                output += (high ? 2.0f : -1.0f) * mixed[place];
        }
        output /= kernel_ramps[row];
        for (q = 0; q < $THRESHOLDS; q++) {
            float over = output - starts[q];
            sums[q] += over < 0.0f ? 0.0f : over > 1.0f ? 1.0f : over;
        }
    }
}

/* Mix the probabilities of the linear model of random kernels into those of the networks. */
static void add_kernels(const float *rows, long steps, float *mixed, double *sums, double *total)
{
    float scores[$LABELS];
    double linear[$LABELS], added[$LABELS];
    int view, d, first, second, third, k, q;
    long row = 0;
    for (k = 0; k < $LABELS; k++)
        linear[k] = 0.0;
    for (view = 0; view < $VIEWS; view++)
        for (d = 0; d < $DILATIONS; d++)
            for (first = 0; first < $WIDTH - 2; first++)
                for (second = first + 1; second < $WIDTH - 1; second++)
                    for (third = second + 1; third < $WIDTH; third++, row++) {
                        long count = steps - view;
                        if (count < 1)
                            continue;
                        kernel_input(rows, count, view, row, mixed);
                        kernel_shares(mixed, count, dilations[d], first, second, third, row, sums);
                        for (q = 0; q < $THRESHOLDS; q++)
                            for (k = 0; k < $LABELS; k++)
                                linear[k] += sums[q] / (double)count *
                                             kernel_weights[(long)k * $FEATURES +
                                                            row * $THRESHOLDS + q];
                    }
    for (k = 0; k < $LABELS; k++) {
        scores[k] = (float)(linear[k]$SCALED + kernel_bias[k]);
        added[k] = 0.0;
    }
    add_softmax(scores, $LABELS, added);
    for (k = 0; k < $LABELS; k++)
        total[k] = (1.0 - $SHARE) * total[k] + $SHARE * added[k];
}
"""
SELFTEST = """
static double scratch[NAME_SCRATCH($STEPS) / sizeof(double) + 1];
float found[NAME_LABELS];
int wrong = NAME_predict(NAME_test_x, $STEPS, scratch, found) < 0;
wrong += NAME_compare("probabilities", found, NAME_test_wanted, NAME_LABELS, 1e-4f);
return wrong;
"""
DRIVER = """
int main(void)
{
    uint32_t rows = get_count(), k;
    while (rows-- > 0) {
        uint32_t steps = get_count();
        float *x = get(steps * NAME_UNITS * sizeof(float)), probabilities[NAME_LABELS];
        void *scratch = malloc(NAME_SCRATCH(steps));
        if (!scratch || NAME_predict(x, steps, scratch, probabilities) < 0)
            return 4;
        for (k = 0; k < NAME_LABELS; k++)
            put(probabilities[k]);
        free(scratch);
        free(x);
    }
    return 0;
}
"""
