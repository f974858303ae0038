-- Values that would harm a page which took them for more than text.
CREATE TABLE oddities (id integer PRIMARY KEY, label text, payload jsonb, counted numeric);

INSERT INTO oddities VALUES
    (1, '<img src=x onerror="document.title = ''harmed''">', '{"a": "<script>document.title = 1</script>"}', 1),
    (2, repeat('very long ', 4000), '[1, 2, 3]', 12345678901234567890.5),
    (3, U&'\202Egnp.exe \0645\0631\062D\0628\0627', 'null', 'NaN'),
    (4, E'bell \x07 escape \x1b[31m tab\tend', '"text"', -0.00001),
    (5, '👩🏽‍🚀 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞', '{}', 0),
    (6, '', NULL, NULL),
    (7, NULL, '{"__proto__": {"polluted": true}}', 7),
    (8, '=HYPERLINK("http://example.com")', '1', 8),
    (9, 'comma, "quote" and' || E'\r\n' || 'line', '1', 9);
