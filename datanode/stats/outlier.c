/* outlier.c - which of some values stand out. Pure. See stats.h.
 * Whoever is above three times the median, and above the median by three times the spread. */
#include <stdlib.h>

#include "datanode/stats/stats.h"

static const double MAD_TO_SIGMA = 1.4826; /* of a normal distribution */
static const double FACTOR = 3;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double median_of(const double *sorted, size_t count)
{
    double upper = sorted[count / 2];
    return count % 2 == 1 ? upper : (upper + sorted[count / 2 - 1]) / 2;
}

bool outlier_find(double *values, size_t count, struct outlier_rule rule, struct outlier_facts *ret)
{
    if (count == 0 || count < rule.least)
        return false;
    double *away = calloc(count, sizeof(*away));
    if (away == NULL)
        return false;
    qsort(values, count, sizeof(*values), compare);
    double median = median_of(values, count);
    for (size_t i = 0; i < count; i++)
        away[i] = values[i] > median ? values[i] - median : median - values[i];
    qsort(away, count, sizeof(*away), compare);
    double mad = median_of(away, count) * MAD_TO_SIGMA;
    free(away);
    *ret = (struct outlier_facts){
        median, mad, larger(rule.low_ms, larger(FACTOR * median, median + FACTOR * mad))};
    return true;
}
