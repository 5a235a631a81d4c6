"""Documents made up for tests: PDF of many pages, Word, mail."""
import zipfile
from email.message import EmailMessage

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def write_pdf(path, pages):
    """A PDF with one line of text on each page, "" for a page without text."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for i, text in enumerate(pages):
        text = text.replace("(", "\\(").replace(")", "\\)")
        shown = f"BT /F1 9 Tf 20 700 Td ({text}) Tj ET" if text else "q Q"
        objects += ["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << "
                    f"/F1 3 0 R >> >> /Contents {5 + 2 * i} 0 R >>",
                    f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream"]
    body, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    body += (f"xref\n0 {size}\n0000000000 65535 f \n{table}"
             f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n")
    path.write_bytes(body.encode("latin-1"))
    return path


def write_docx(path, paragraphs, extra=""):
    """A Word document of (style, text) paragraphs. extra: what stands before its root."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", f'<?xml version="1.0"?>{extra}<w:document xmlns:w='
                                           f'"{WORD}"><w:body>{body}</w:body></w:document>')
    return path


def write_mail(path, text, html=False, attachment=None):
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "A forecast", "Jane Doe <jane@x.org>", "r@y.org"
    mail.set_content(text, subtype="html" if html else "plain")
    if attachment:
        mail.add_attachment(b"a,b", maintype="text", subtype="csv", filename=attachment)
    path.write_bytes(mail.as_bytes())
    return path
