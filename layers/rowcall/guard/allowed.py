"""What guarded SQL may be made of: every node, attribute, function, type and operator that is allowed.

Whatever is not listed here is refused, so a construct that Postgres or the parser learns tomorrow is refused
until somebody adds it. A function belongs here only if it reads nothing but its arguments (no files, settings,
other tables, sequences, large objects, locks), writes nothing, and does work in proportion to its arguments;
those whose result can be far bigger than their arguments are measured in `expressions.py`.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.expressions import DType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


QUERIES = (exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery)

STRUCTURE: dict[type[exp.Expr], frozenset[str]] = {
    # Which attributes of a node may be set at all. A node that stands in neither table is refused.
    exp.Select: _words("with_ expressions distinct from_ joins where group having windows order limit offset"),
    **dict.fromkeys(
        (exp.Union, exp.Intersect, exp.Except),
        _words("with_ this expression distinct order limit offset"),
    ),
    exp.Subquery: _words("this alias with_ order limit offset joins"),
    exp.With: frozenset({"expressions"}),
    exp.CTE: frozenset({"this", "alias", "materialized"}),
    exp.From: frozenset({"this"}),
    exp.Table: frozenset({"this", "db", "alias", "joins", "ordinality"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Join: frozenset({"this", "on", "using", "side", "kind"}),
    exp.Lateral: frozenset({"this", "alias", "ordinality"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.Values: frozenset({"expressions", "alias"}),
    exp.Where: frozenset({"this"}),
    exp.Group: _words("expressions grouping_sets cube rollup"),
    exp.GroupingSets: frozenset({"expressions"}),
    exp.Cube: frozenset({"expressions"}),
    exp.Rollup: frozenset({"expressions"}),
    exp.Having: frozenset({"this"}),
    exp.Order: frozenset({"this", "expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Limit: frozenset({"expression"}),
    exp.Offset: frozenset({"expression"}),
    exp.Distinct: frozenset({"expressions", "on"}),
    exp.Star: frozenset(),
    exp.Alias: frozenset({"this", "alias"}),
    exp.Column: frozenset({"this", "table", "db"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Var: frozenset({"this"}),
    exp.Boolean: frozenset({"this"}),
    exp.Null: frozenset(),
    exp.Placeholder: frozenset({"this"}),
    exp.Tuple: frozenset({"expressions"}),
    exp.Paren: frozenset({"this"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.DataType: _words("this nested expressions kind"),
    exp.DataTypeParam: frozenset({"this"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.Collate: frozenset({"this", "expression"}),
    exp.AtTimeZone: frozenset({"this", "zone"}),
    # predicates
    exp.In: frozenset({"this", "expressions", "query"}),
    exp.Is: frozenset({"this", "expression", "negate"}),
    exp.Between: _words("this low high symmetric negate"),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.ILike: frozenset({"this", "expression", "negate"}),
    exp.SimilarTo: frozenset({"this", "expression", "negate"}),
    exp.RegexpLike: frozenset({"this", "expression"}),
    exp.RegexpILike: frozenset({"this", "expression"}),
    exp.Exists: frozenset({"this"}),
    exp.Any: frozenset({"this"}),
    exp.All: frozenset({"this"}),
    exp.Not: frozenset({"this"}),
    exp.Neg: frozenset({"this"}),
    exp.BitwiseNot: frozenset({"this"}),
    exp.MatchAgainst: frozenset({"this", "expressions"}),
    **dict.fromkeys(
        # binary operators
        (
            *(exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
            *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Escape, exp.Overlaps),
            *(exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Pow, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor),
            *(exp.ArrayOverlaps, exp.ArrayContainsAll, exp.ArrayContainedBy),
            *(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar),
            *(exp.JSONBContainsTopKey, exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys),
        ),
        frozenset({"this", "expression"}),
    ),
    exp.Div: _words("this expression typed safe"),
    exp.DPipe: frozenset({"this", "expression", "safe"}),
    exp.Sqrt: frozenset({"this"}),
    exp.Cbrt: frozenset({"this"}),
    # syntax of its own
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.If: frozenset({"this", "true"}),
    exp.Extract: frozenset({"this", "expression"}),
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.StrPosition: frozenset({"this", "substr"}),
    exp.Trim: frozenset({"this", "expression", "position"}),
    exp.Overlay: frozenset({"this", "expression", "from_", "for_"}),
    exp.Array: frozenset({"expressions", "bracket_notation"}),
    exp.Bracket: _words("this expressions offset safe returns_list_for_maps"),
    exp.Slice: frozenset({"this", "expression"}),
    exp.CurrentDate: frozenset(),
    exp.CurrentTimestamp: frozenset({"sysdate"}),
    exp.Localtime: frozenset(),
    exp.Localtimestamp: frozenset(),
    # functions: by name in FUNCTIONS where the node has one
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.AnonymousAggFunc: frozenset({"this", "expressions"}),
    exp.Count: _words("this expressions big_int"),
    exp.Sum: frozenset({"this"}),
    exp.Avg: frozenset({"this"}),
    exp.Min: frozenset({"this"}),
    exp.Max: frozenset({"this"}),
    exp.Coalesce: frozenset({"this", "expressions"}),
    exp.Nullif: frozenset({"this", "expression"}),
    exp.Explode: frozenset({"this"}),
    exp.Kwarg: frozenset({"this", "expression"}),
    # modifiers of aggregates
    exp.Filter: frozenset({"this", "expression"}),
    exp.WithinGroup: frozenset({"this", "expression"}),
    exp.Window: _words("this partition_by order spec alias over"),
    exp.WindowSpec: _words("kind start start_side end end_side exclude"),
}

AGGREGATES = _words("""
    any_value array_agg bit_and bit_or bit_xor bool_and bool_or every json_agg jsonb_agg json_object_agg
    jsonb_object_agg mode percentile_cont percentile_disc string_agg corr covar_pop covar_samp regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp variance
    var_pop var_samp
    """)

SERIES: dict[str, tuple[str, ...]] = {
    # Functions that may stand in FROM, and the columns they give; "" is the alias, or else the function's name.
    **dict.fromkeys(("generate_series", "regexp_split_to_table", "string_to_table"), ("",)),
    **dict.fromkeys(("json_object_keys", "jsonb_object_keys"), ("",)),
    **dict.fromkeys(("json_array_elements", "jsonb_array_elements"), ("value",)),
    **dict.fromkeys(("json_array_elements_text", "jsonb_array_elements_text"), ("value",)),
    **dict.fromkeys(("json_each", "jsonb_each", "json_each_text", "jsonb_each_text"), ("key", "value")),
}

FUNCTIONS: frozenset[str] = _words("""
    abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees div exp floor gcd greatest lcm least ln log log10
    min_scale mod num_nonnulls num_nulls pi pow power radians random round scale sign sin sqrt tan to_number trim_scale
    trunc width_bucket

    age clock_timestamp date date_bin date_part date_trunc isfinite justify_days justify_hours justify_interval
    make_date make_interval make_time make_timestamp make_timestamptz now statement_timestamp timezone to_char to_date
    to_timestamp transaction_timestamp

    ascii bit_length btrim char_length character_length chr concat concat_ws format initcap left length lower lpad
    ltrim md5 octet_length regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_substr repeat replace reverse right rpad rtrim split_part starts_with strpos substr
    translate upper
    phraseto_tsquery plainto_tsquery to_tsquery to_tsvector ts_rank ts_rank_cd websearch_to_tsquery

    all array_append array_cat array_length array_lower array_ndims array_position array_positions array_prepend
    array_remove array_to_string array_upper cardinality row some string_to_array unnest

    json_array_length json_build_array json_build_object json_extract_path json_extract_path_text json_strip_nulls
    json_typeof jsonb_array_length jsonb_build_array jsonb_build_object jsonb_extract_path jsonb_extract_path_text
    jsonb_strip_nulls jsonb_typeof to_json to_jsonb

    cume_dist dense_rank first_value grouping lag last_value lead nth_value ntile percent_rank rank row_number
    """) | frozenset(SERIES)

TYPES: dict[DType, str] = {
    # Types that a value may be cast to, each by Postgres's short name; a column's own type is allowed as well.
    DType.BOOLEAN: "boolean",
    DType.SMALLINT: "smallint",
    DType.INT: "integer",
    DType.BIGINT: "bigint",
    DType.DECIMAL: "numeric",
    DType.FLOAT: "real",
    DType.DOUBLE: "double precision",
    DType.MONEY: "money",
    DType.TEXT: "text",
    DType.VARCHAR: "varchar",
    DType.CHAR: "char",
    DType.UUID: "uuid",
    DType.DATE: "date",
    DType.TIME: "time",
    DType.TIMETZ: "timetz",
    DType.TIMESTAMP: "timestamp",
    DType.TIMESTAMPTZ: "timestamptz",
    DType.INTERVAL: "interval",
    DType.JSON: "json",
    DType.JSONB: "jsonb",
    DType.INET: "inet",
}

OPERATORS: dict[str, type[exp.Binary]] = {
    # OPERATOR(pg_catalog.…) is rewritten to the plain operator, which is then judged like any other.
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "/": exp.Div,
    "%": exp.Mod,
    "=": exp.EQ,
    "<>": exp.NEQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
    "||": exp.DPipe,
}

COLLATIONS = frozenset({"C", "POSIX", "default", "und-x-icu", "en-x-icu"})

UNITS = _words("""
    microsecond microseconds millisecond milliseconds second seconds minute minutes hour hours day days week weeks
    month months quarter quarters year years decade decades century centuries millennium epoch dow isodow doy isoyear
    julian timezone timezone_hour timezone_minute min mins hr hrs sec secs mon mons
    """)
