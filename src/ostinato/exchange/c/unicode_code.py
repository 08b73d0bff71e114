"""Private: the C code of texts, with places for the sizes of its tables."""

__all__ = [
    "CHARACTERS",
    "CLASS_OF",
    "COMPOSE",
    "FINAL_SIGMA",
    "FIND_POINT",
    "FIND_TEXT",
    "LOWER",
    "NORMALISE",
    "READ",
]

CLASS_OF = """
/* The class of a code point: tables have the first code point of each run, and its class. */
static int class_of(const uint32_t *table, int count, int bits, uint32_t point)
{
    int low = 0, high = count;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if ((table[middle] >> bits) <= point)
            low = middle;
        else
            high = middle;
    }
    return (table[low] >> bits) <= point ? (int)(table[low] & ((1u << bits) - 1u)) : 0;
}
"""
FIND_POINT = """
/* The place of a code point in a sorted table; -1 if it is not there. */
static int find_point(const uint32_t *table, int count, uint32_t point)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (table[middle] < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && table[low] == point ? low : -1;
}
"""
NORMALISE = """
/* Add a code point, decomposed; the new count, or -1 if there is not enough room. */
static long add_decomposed(uint32_t *points, long count, long room, uint32_t point)
{
    int place;
    if (count < 0 || count + 4 > room)
        return -1;
    if (point - 0xAC00u < 11172u) {
        uint32_t syllable = point - 0xAC00u, last = syllable % 28u;
        points[count++] = 0x1100u + syllable / 588u;
        points[count++] = 0x1161u + syllable % 588u / 28u;
        if (last)
            points[count++] = 0x11A7u + last;
        return count;
    }
    place = point < 0xC0u ? -1 : find_point(decomposed_from, $DECOMPOSED, point);
    if (place < 0) {
        points[count++] = point;
    } else {
        int k;
        for (k = decomposed_at[place]; k < decomposed_at[place + 1]; k++)
            points[count++] = decomposed_to[k];
    }
    return count;
}

static int mark_class(uint32_t point)
{
    return point < 0x300u ? 0 : class_of($MARKS, point);
}

/* Sort the marks of each letter by their classes. */
static void sort_marks(uint32_t *points, long count)
{
    long k, j;
    for (k = 1; k < count; k++) {
        uint32_t point = points[k];
        int mark = mark_class(point);
        if (!mark)
            continue;
        for (j = k; j > 0 && mark_class(points[j - 1]) > mark; j--)
            points[j] = points[j - 1];
        points[j] = point;
    }
}

/* The code point that two code points are joined to; 0 if there is none. */
static uint32_t joined(uint32_t first, uint32_t second)
{
    int low = 0, high = $PAIRS;
    if (first - 0x1100u < 19u && second - 0x1161u < 21u)
        return 0xAC00u + ((first - 0x1100u) * 21u + (second - 0x1161u)) * 28u;
    if (first - 0xAC00u < 11172u && (first - 0xAC00u) % 28u == 0 && second - 0x11A8u < 27u)
        return first + (second - 0x11A7u);
    while (low < high) {
        int middle = (low + high) / 2;
        if (pair_first[middle] < first ||
            (pair_first[middle] == first && pair_second[middle] < second))
            low = middle + 1;
        else
            high = middle;
    }
    return low < $PAIRS && pair_first[low] == first && pair_second[low] == second
               ? pair_joined[low]
               : 0;
}

/* Join letters and marks of decomposed code points (NFC); the new count. */
static long join_points(uint32_t *points, long count)
{
    long k, end = 0, starter = -1;
    int last = 0;
    for (k = 0; k < count; k++) {
        uint32_t point = points[k], both;
        int mark = mark_class(point);
        int near = starter >= 0 && (starter == end - 1 ? 1 : last != 0 && last < mark);
        if (near && (both = joined(points[starter], point)) != 0) {
            points[starter] = both;
            continue;
        }
        if (!mark)
            starter = end;
        last = mark;
        points[end++] = point;
    }
    return end;
}
"""
READ = """
/* Read UTF-8 as code points in NFC; their number, or -1 if the text is not valid UTF-8. */
static long read_text(const char *text, size_t bytes, uint32_t *points, long room)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    long count = 0;
    while (at < end) {
        uint32_t point = *at++, least = 0;
        int more = 0;
        if (point >= 0xF8u || (point >= 0x80u && point < 0xC0u))
            return -1;
        if (point >= 0xF0u) {
            point &= 0x07u, more = 3, least = 0x10000u;
        } else if (point >= 0xE0u) {
            point &= 0x0Fu, more = 2, least = 0x800u;
        } else if (point >= 0xC0u) {
            point &= 0x1Fu, more = 1, least = 0x80u;
        }
        for (; more; more--) {
            if (at == end || (*at & 0xC0u) != 0x80u)
                return -1;
            point = point << 6 | (*at++ & 0x3Fu);
        }
        if (point < least || point > 0x10FFFFu || point - 0xD800u < 0x800u)
            return -1;
        if (point == 13u) {
            point = 10u;
            if (at < end && *at == 10u)
                at++;
        }
        count = add_decomposed(points, count, room, point);
        if (count < 0)
            return -1;
    }
    sort_marks(points, count);
    return join_points(points, count);
}
"""
COMPOSE = """
/* Write code points in NFC; their number, or -1 if there is not enough room. */
static long compose_points(const uint32_t *points, long count, uint32_t *composed, long room)
{
    long k, end = 0;
    for (k = 0; k < count; k++)
        end = add_decomposed(composed, end, room, points[k]);
    if (end < 0)
        return -1;
    sort_marks(composed, end);
    return join_points(composed, end);
}
"""
LOWER = """
/* The place of a code point in the table of lower case; -1 if it is its own. */
static int lower_place(uint32_t point)
{
    return find_point(lower_from, $LOWERED, point);
}

/* Write the lower case of code points; their number, or -1 if there is not enough room. */
static long lower_points(const uint32_t *points, long count, uint32_t *lowered, long room)
{
    long k, end = 0;
    for (k = 0; k < count; k++) {
        int place = lower_place(points[k]);
        if (end + 2 > room)
            return -1;
        lowered[end++] = place < 0 ? points[k] : lower_to[place];
        if (place >= 0 && lower_more[place])
            lowered[end++] = lower_more[place];
    }
    return end;
}
"""
FINAL_SIGMA = """
/* Whether the capital sigma at a place ends a word. */
static int final_sigma(const uint32_t *points, long count, long place)
{
    long k;
    for (k = place - 1; k >= 0 && class_of($CASES, points[k]) == 2; k--)
        continue;
    if (k < 0 || class_of($CASES, points[k]) != 1)
        return 0;
    for (k = place + 1; k < count && class_of($CASES, points[k]) == 2; k++)
        continue;
    return k == count || class_of($CASES, points[k]) != 1;
}
"""
CHARACTERS = """
/* The classes of the rules for characters. */
enum {
    OTHER, RETURN, NEWLINE, CONTROL, EXTEND, EXTEND_CONJUNCT, LINKER, JOINER, REGION, PREPEND,
    SPACING, HANGUL_L, HANGUL_V, HANGUL_T, PICTURE, CONSONANT, HANGUL_LV, HANGUL_LVT
};

static int character_class(uint32_t point)
{
    if (point - 0xAC00u < 11172u)
        return (point - 0xAC00u) % 28u ? HANGUL_LVT : HANGUL_LV;
    return class_of($CLASSES, point);
}

/* The end of the character that begins at a place. Source: Unicode Annex 29, GB3 to GB13. */
static long character_end(const uint32_t *points, long count, long place)
{
    int before = character_class(points[place]);
    int regions = before == REGION, picture = before == PICTURE;
    int linked = before == LINKER;
    for (place++; place < count; place++) {
        int next = character_class(points[place]), joins;
        int extends = next >= EXTEND && next <= JOINER;
        if (before == RETURN)
            joins = next == NEWLINE;
        else if (before == NEWLINE || before == CONTROL || (next >= RETURN && next <= CONTROL))
            joins = 0;
        else if (extends || next == SPACING || before == PREPEND)
            joins = 1;
        else if (before == HANGUL_L)
            joins = next == HANGUL_L || next == HANGUL_V || next == HANGUL_LV || next == HANGUL_LVT;
        else if (before == HANGUL_LV || before == HANGUL_V)
            joins = next == HANGUL_V || next == HANGUL_T;
        else if (before == HANGUL_LVT || before == HANGUL_T)
            joins = next == HANGUL_T;
        else if (next == CONSONANT)
            joins = linked; /* as in the module regex, after any letter */
        else if (next == PICTURE)
            joins = before == JOINER && picture;
        else
            joins = next == REGION && before == REGION && regions % 2 == 1;
        if (!joins)
            break;
        regions = next == REGION ? regions + 1 : 0;
        if (next == PICTURE)
            picture = 1;
        else if (next < EXTEND || next > JOINER)
            picture = 0;
        linked = next == LINKER || (linked && (next == EXTEND_CONJUNCT || next == JOINER));
        before = next;
    }
    return place;
}
"""
FIND_TEXT = """
/* The number of the token with these code points in a sorted table; -1 if it is not there. */
static long find_text(const unsigned char *text, const uint32_t *start, const int32_t *number,
                      long tokens, const uint32_t *points, long count)
{
    long low = 0, high = tokens;
    while (low < high) {
        long middle = (low + high) / 2, k;
        uint32_t at = start[middle], end = start[middle + 1];
        int order = 0;
        for (k = 0; k < count && !order; k++) {
            unsigned char letter[4];
            uint32_t point = points[k];
            int bytes, j;
            if (point < 0x80u) {
                bytes = 1, letter[0] = (unsigned char)point;
            } else if (point < 0x800u) {
                bytes = 2, letter[0] = (unsigned char)(0xC0u | point >> 6);
            } else if (point < 0x10000u) {
                bytes = 3, letter[0] = (unsigned char)(0xE0u | point >> 12);
            } else {
                bytes = 4, letter[0] = (unsigned char)(0xF0u | point >> 18);
            }
            for (j = 1; j < bytes; j++)
                letter[j] = (unsigned char)(0x80u | (point >> (6 * (bytes - 1 - j)) & 0x3Fu));
            for (j = 0; j < bytes && !order; j++, at++) {
                if (at == end || text[at] < letter[j])
                    order = -1;
                else if (text[at] > letter[j])
                    order = 1;
            }
        }
        if (!order && at < end)
            order = 1;
        if (!order)
            return number[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}
"""
