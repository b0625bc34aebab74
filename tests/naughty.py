"""Texts that have broken programs, in our own words: each a way to be more than a text."""

NAUGHTY: dict[str, tuple[str, ...]] = {
    "markup": (
        "<script>alert('掉进去了')</script>",
        '"><img src=x onerror=alert(1)>',
        "' autofocus onfocus='alert(1)",
        "</textarea></title></script><svg onload=alert(1)>",
        "<a href=\"javascript:alert(1)\">点这里</a>",
        "&lt;b&gt; &amp;amp; &#60;script&#62;",
        "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
        "]]><iframe src=//evil.test>",
    ),
    "template": ("{{7*1007}}", "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}", "${7*1007} #{7*1007} <%= 7*1007 %>", "{0.__class__} %s %n %(x)s"),
    "query": ("' OR '1'='1' --", "'; DROP TABLE issue; --", '" NEAR("a" "b") *', "100%_\\", "a & !b | (c:*)", "\\' \\\\ \\x"),
    "formula": ("=1+1", "=HYPERLINK(\"http://evil.test\",\"奖金\")", "+cmd|' /C calc'!A0", "@SUM(1)", "-2+3"),
    "direction": ("\u202e锁定\u202c gnp.exe", "\u0627\u0644\u0645\u0634\u0643\u0644\u0629 שאלה", "\u2067混\u2069\u200f"),
    "unseen": ("\u200b\u200c\u200d\u2060\ufeff", "零\u200b宽\u00ad字", "\u0000空\u0000字", "\x1b[31m红\x07", "行一\r\n行二\u2028行三", "\ufffe\uffff"),
    "signs": ("👩‍👩‍👧‍👦🏳️‍🌈🇨🇳", "𠮷野家𪚥龘", "Z̸̢̛a̷̡͝l̵̨͠g̶̢͘o̷", "ﷺ㍿㎏①ﬀ", "İıſßẞ", "한글 กำ เกียวกับ"),
    "long": ("长" * 199, "a" * 200, "<" * 150, "😀" * 100),
    "names": ("../../etc/passwd", "..\\..\\win.ini", "CON", "nul.txt", "C:\\a:b", "file://etc", "/%2e%2e/", "a/b?c=d#e"),
    "values": ("null", "NaN", "true", "0", "-1", "1e309", "undefined", "2026-02-30", "[]", '{"a": 1}'),
}  # fmt: skip
ALL = tuple(text for some in NAUGHTY.values() for text in some)
