-- Floating point, tables, strings and closures; its compiler writes code as it goes.
local function mandelbrot(n)
    local inside = 0
    for y = 0, n - 1 do
        for x = 0, n - 1 do
            local cr, ci, zr, zi, i = 2.0 * x / n - 1.5, 2.0 * y / n - 1.0, 0.0, 0.0, 0
            while i < 50 and zr * zr + zi * zi < 4.0 do
                zr, zi = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci
                i = i + 1
            end
            if i == 50 then inside = inside + 1 end
        end
    end
    return inside
end

local function queens(n)
    local found, columns, up, down = 0, {}, {}, {}
    local function place(row)
        if row > n then found = found + 1 return end
        for c = 1, n do
            if not (columns[c] or up[row + c] or down[row - c]) then
                columns[c], up[row + c], down[row - c] = true, true, true
                place(row + 1)
                columns[c], up[row + c], down[row - c] = nil, nil, nil
            end
        end
    end
    place(1)
    return found
end

local parts = {}
for i = 1, 200000 do parts[#parts + 1] = tostring(i % 1000) end
local text = table.concat(parts, ",")
local sum = 0
for number in text:gmatch("%d+") do sum = sum + tonumber(number) end
print(mandelbrot(400), queens(8), #text, sum)
